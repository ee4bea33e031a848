/** For tests: a certificate of the name `larder` that signs itself, with its key; both good for nothing else. */
export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEb5gVCgLt7ZQ351G
m9KdD2iHspw4Jg7MnoroLaibkr2hRANCAAScweSkeXnfWQ8G/EItKWhenmoff0AS
5vMigi2RPI8PsMUfhVW9B+G5EvcN/l6WBLAMok+/IFDEjvkpgMAkkhkv
-----END PRIVATE KEY-----
`;

export const certificate = `-----BEGIN CERTIFICATE-----
MIIBjDCCATKgAwIBAgIUcO4Kpji3z6B3qS514Aw4xaRvhuAwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbGFyZGVyMCAXDTI2MTEyNjE3MzI0MloYDzIxMjYxMTAyMTcz
MjQyWjARMQ8wDQYDVQQDDAZsYXJkZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAScweSkeXnfWQ8G/EItKWhenmoff0AS5vMigi2RPI8PsMUfhVW9B+G5EvcN/l6W
BLAMok+/IFDEjvkpgMAkkhkvo2YwZDAdBgNVHQ4EFgQUfiYhqa2q/tTGyJt/JT/3
BxV7VKQwHwYDVR0jBBgwFoAUfiYhqa2q/tTGyJt/JT/3BxV7VKQwEQYDVR0RBAow
CIIGbGFyZGVyMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAPR/
Oe0+E1k3jQxSlWDbptp7e/iRnfoe90K0voW8psdnAiAjpAxZJNaOHYVsgQs4vr55
peaIfD5jcFfLWjHxCwwv9A==
-----END CERTIFICATE-----
`;
