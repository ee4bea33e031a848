import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressesIn, addressListProblem, addressRule } from "./addresses.ts";
import { parseTarget } from "./target.ts";

const publicOnly = addressRule(null);

/** Every form of an address that reaches what is not public, or is no address at all. */
const hostile = {
  loopback: ["127.0.0.1", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1"],
  unspecified: ["0.0.0.0", "0.1.2.3", "::", "::0"],
  private: ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1", "fec0::1"],
  "link-local": ["169.254.0.1", "169.254.169.254", "fe80::1", "febf::1"],
  "services of clouds": [
    "169.254.169.254",
    "169.254.170.2",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
  ],
  "shared by carriers": ["100.64.0.1", "100.127.255.255"],
  multicast: ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
  reserved: ["240.0.0.1", "255.255.255.255", "192.0.0.1", "198.18.0.1", "198.19.255.255", "4000::1", "5f00::1"],
  documentation: ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
  "IPv4 mapped": ["::ffff:127.0.0.1", "::ffff:7f00:1", "::FFFF:10.0.0.1", "0:0:0:0:0:ffff:a9fe:a9fe"],
  "IPv4 compatible": ["::127.0.0.1", "::7f00:1", "::8.8.8.8"],
  "IPv4 translated": ["::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"],
  NAT64: ["64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::8.8.8.8"],
  "6to4": ["2002:7f00:1::", "2002:808:808::1", "192.88.99.1"],
  Teredo: ["2001:0:7f00:1::1", "2001::1"],
  zones: ["fe80::1%eth0", "2606:4700::1111%1"],
  "no addresses": ["", "localhost", "1.2.3", "1.2.3.4.5", "0x7f000001", "[::1]", "8.8.8.8/32", "8.8.8.8 "],
};
const open = [
  "8.8.8.8",
  "1.1.1.1",
  "172.15.255.255",
  "172.32.0.1",
  "100.63.255.255",
  "100.128.0.1",
  "169.253.255.255",
  "223.255.255.255",
  "192.0.1.1",
  "2606:4700:4700::1111",
  "2001:4860:4860::8888",
  "2a00:1450:4001::1",
  "::ffff:8.8.8.8",
  "64:ff9b::8.8.8.8",
];

describe("addresses", () => {
  it.each(Object.entries(hostile))("that are %s may not be reached", (_kind, addresses) => {
    expect(addresses.filter(publicOnly)).toEqual([]);
  });

  it("that are public may", () => {
    expect(open.filter((address) => !publicOnly(address))).toEqual([]);
  });

  it("may be reached when the operator allows them, and only they", () => {
    const rule = addressRule("127.0.0.1, 10.1.0.0/16 ,fd00::/8,,::1");
    const allowed = [
      "127.0.0.1",
      "::ffff:127.0.0.1",
      "64:ff9b::10.1.2.3",
      "10.1.255.255",
      "fd00:ec2::254",
      "::1",
      "8.8.8.8",
    ];
    expect(allowed.filter((address) => !rule(address))).toEqual([]);
    expect(["127.0.0.2", "10.2.0.0", "fc00::1", "::2", "fe80::1%lo", "169.254.169.254"].filter(rule)).toEqual([]);
    expect(addressRule("0.0.0.0/0")("127.0.0.1")).toBe(true);
  });

  it("of IPv4 are public whatever form of IPv6 they are written in, and only then", () => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(fc.tuple(byte, byte, byte, byte), (bytes) => {
        const dotted = bytes.join(".");
        const hexadecimal = [bytes[0] * 256 + bytes[1], bytes[2] * 256 + bytes[3]]
          .map((word) => word.toString(16))
          .join(":");
        for (const form of [
          `::ffff:${dotted}`,
          `::ffff:${hexadecimal}`,
          `0:0:0:0:0:FFFF:${dotted}`,
          `64:ff9b::${hexadecimal}`,
        ])
          expect(publicOnly(form), form).toBe(publicOnly(dotted));
        expect(publicOnly(`::${hexadecimal}`)).toBe(false);
        expect(publicOnly(`2002:${hexadecimal}::1`)).toBe(false);
      }),
    );
  });

  it("in a list that can't be read are named", () => {
    for (const good of ["", "127.0.0.1", "10.0.0.0/8,::1", " fd00::/8 , 0.0.0.0/0"])
      expect(addressListProblem(good), good).toBeUndefined();
    for (const wrong of [
      "localhost",
      "10.0.0.0/33",
      "::/129",
      "10.0.0.0/",
      "10/8",
      "10.0.0.0/8/8",
      "10.0.0.0/-1",
      "fe80::1%1",
      "*",
    ])
      expect(addressListProblem(`8.8.8.8,${wrong}`), wrong).toContain(JSON.stringify(wrong));
  });
});

describe("URLs", () => {
  const problem = (url: string, allow: string | null = null) => {
    const target = parseTarget(url, addressRule(allow));
    return target.ok ? undefined : target.rejection;
  };

  it.each([
    "http://127.0.0.1/",
    "http://127.0.0.1./",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.1/",
    "http://127.0.1:8080/",
    "http://0/",
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://%31%32%37.0.0.1/",
    "http://[::1]/",
    "http://[0:0::1]:80/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://[64:ff9b::7f00:1]/",
    "http://localhost/",
    "https://LOCALHOST:8080/hooks",
    "http://localhost./",
    "http://shop.localhost/",
    "http://a.b.localhost./",
    "http://ｌocalhost/",
    "\thttp://local\nhost/ ",
    "http:\\\\127.0.0.1\\",
    "http:127.0.0.1",
  ])("that name what is not public are refused: %s", (url) => {
    expect(problem(url)).toContain("must be a public address");
  });

  it.each([
    ["file:///etc/passwd", "must begin with"],
    ["ftp://example.com/", "must begin with"],
    ["gopher://example.com/", "must begin with"],
    ["ws://example.com/", "must begin with"],
    ["javascript:alert(1)", "must begin with"],
    ["data:text/plain,x", "must begin with"],
    ["unix:/var/run/docker.sock", "must begin with"],
    ["http://user@example.com/", "user name"],
    ["http://:secret@example.com/", "user name"],
    ["http://example.com%2f@127.0.0.1/", "user name"],
    ["http://example.com@169.254.169.254/", "user name"],
    ["http://[fe80::1%25eth0]/", "must be a URL"],
    ["http://256.1.1.1/", "must be a URL"],
    ["http://1.2.3.4.5/", "must be a URL"],
    ["http://example.com:99999/", "must be a URL"],
    ["http://exa mple.com/", "must be a URL"],
    ["http://", "must be a URL"],
    ["example.com", "must be a URL"],
    ["//example.com", "must be a URL"],
    ["", "must be a URL"],
  ])("of other kinds are refused: %s", (url, why) => {
    expect(problem(url)).toContain(why);
  });

  it("that may be called are brought into one form", () => {
    const form = (url: string, allow: string | null = null) => {
      const target = parseTarget(url, addressRule(allow));
      return target.ok ? target.value.href : target.rejection;
    };
    expect(form("https://Example.COM./hooks?a=1#secret")).toBe("https://example.com/hooks?a=1");
    expect(form("http://0x08080808/")).toBe("http://8.8.8.8/");
    expect(form("http://localhost:9000/x", "127.0.0.1")).toBe("http://localhost:9000/x");
    expect(form("http://[::1]:9000/x", "::1")).toBe("http://[::1]:9000/x");
  });
});

describe("a list of addresses", () => {
  it("has what it names, also as IPv4 inside IPv6, and nothing else", () => {
    const isIn = addressesIn("10.0.0.0/8, fd00::/8");
    for (const address of ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1"]) expect(isIn(address), address).toBe(true);
    for (const address of ["8.8.8.8", "127.0.0.1", "::1", "", "fd12::1%eth0"])
      expect(isIn(address), address).toBe(false);
    expect(addressesIn(null)("127.0.0.1")).toBe(false);
  });
});
