import Model
import Testing

@Suite struct AddressTests {
    @Test(arguments: [
        ("10.1.0.2", "10.1.0.2"), ("::ffff:10.1.0.2", "10.1.0.2"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
        ("fd01:0:0:0:0:0:0:11", "fd01::11"), ("2001:db8::1:0:0:1", "2001:db8::1:0:0:1"), ("FE80::1", "fe80::1"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
    ])
    func parsesAndPrintsCanonically(text: String, canonical: String) {
        #expect(IPAddress(text)?.description == canonical)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1..2.3", "1:2:3:4:5:6:7", "1::2::3", ":::", "g::",
        "12345::",
        "1:2:3:4:5:6:7:8:9", "::1%eth0", "[::1]", "+1::", "1.2.3.4::", "-1.2.3.4", " 1.2.3.4",
    ])
    func refusesWhatIsNoAddress(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func socketAddresses() {
        #expect(SocketAddress("10.0.0.1:80")?.description == "10.0.0.1:80")
        #expect(SocketAddress("[fd01::1]:80")?.description == "[fd01::1]:80")
        for bad in ["10.0.0.1", "fd01::1:80", "[10.0.0.1]:80", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:+1", ":80"] {
            #expect(SocketAddress(bad) == nil, "\(bad)")
        }
    }

    @Test func prefixesHoldTheirFamilyOnly() throws {
        let v4 = try #require(CIDR("10.1.0.0/24"))
        #expect(try v4.contains(#require(IPAddress("10.1.0.255"))))
        #expect(try !v4.contains(#require(IPAddress("10.1.1.0"))))
        let allV6 = try #require(CIDR("::/0"))
        #expect(try !allV6.contains(#require(IPAddress("10.1.0.1"))))
        #expect(try allV6.contains(#require(IPAddress("fd01::1"))))
        #expect(try #require(CIDR("0.0.0.0/0")).contains(#require(IPAddress("255.0.0.1"))))
        #expect(CIDR("10.1.0.5")?.description == "10.1.0.5/32")
        #expect(try v4.overlaps(#require(CIDR("10.0.0.0/8"))))
        #expect(try !v4.overlaps(#require(CIDR("10.2.0.0/24"))))
        for bad in ["10.1.0.1/24", "10.1.0.0/33", "fd01::/129", "10.1.0.0/", "10.1.0.0/-1", "/24"] {
            #expect(CIDR(bad) == nil, "\(bad)")
        }
    }

    @Test func portRangesSplitInHalves() throws {
        let halves = try #require(PortRange("10240-19999")?.halves)
        #expect(halves.outbound.description == "10240-15119")
        #expect(halves.inbound.description == "15120-19999")
        #expect(PortRange("7") == PortRange(7))
        for bad in ["", "-", "2-1", "1-", "65536", "a", "1-2-3", "+1"] { #expect(PortRange(bad) == nil, "\(bad)") }
    }
}
