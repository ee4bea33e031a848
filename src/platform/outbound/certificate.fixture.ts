/** For tests: a certificate of the name `shop.test` that signs itself, with its key; both good for nothing else. */
export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFEGU1YxK5pzojotP
U+oXfIcTqRWfkIdShVtDsx2RHw2hRANCAASyhvuMbQdy/H8ez70w1IA54Hp6DnQe
kiHWAEvM55EFlH5q3E3aJr+qxqgARH+Zgc73C5Taay3j7E6IrsRVjwsB
-----END PRIVATE KEY-----
`;

export const certificate = `-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUP38tZCajompt0kdk+jySDKxuEhgwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJc2hvcC50ZXN0MCAXDTI2MTEyNjEzMjIxN1oYDzIxMjYxMTAy
MTMyMjE3WjAUMRIwEAYDVQQDDAlzaG9wLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASyhvuMbQdy/H8ez70w1IA54Hp6DnQekiHWAEvM55EFlH5q3E3aJr+q
xqgARH+Zgc73C5Taay3j7E6IrsRVjwsBo2kwZzAdBgNVHQ4EFgQU4m3/oqlNfQAz
BS8lzt3Lyp8nID0wHwYDVR0jBBgwFoAU4m3/oqlNfQAzBS8lzt3Lyp8nID0wFAYD
VR0RBA0wC4IJc2hvcC50ZXN0MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SAAwRQIgc9vEYKpt3qBiqk23GLrN+ph97evK+BGj66OXFewZtGkCIQDojKkhH7FO
Ev3IWGM5IaLLdjc266utouH+sPphadDvZw==
-----END CERTIFICATE-----
`;
