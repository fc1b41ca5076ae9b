import Testing

@testable import Model

/// Pods of hosts that this one stands in for: found by host and address.
@Suite struct HostTableTests {
    private func ip(_ text: String) -> IPAddress { IPAddress(text) ?? .anyV4 }
    private func cidrs(_ text: String) -> [CIDR] { CIDR(text).map { [$0] } ?? [] }

    private func host(_ id: Int, _ node: String, _ prefix: String) -> Configuration.ProtectedHost {
        Configuration.ProtectedHost(
            id: id, node: node, address: ip("10.99.0.\(id % 250)"), podCIDRs: cidrs(prefix),
            tunnel: Configuration.Tunnel(vni: UInt32(7000 + id)))
    }

    /// This host's cart, and a cart of the same name on node-b; node-c has no listed pod.
    private func sample() -> Configuration {
        var configuration = Configuration(
            interception: Configuration.Interception(podCIDRs: cidrs("10.1.0.0/24")))
        configuration.failover.protects = [
            host(3, "node-b", "10.2.0.0/24"), host(65535, "node-c", "10.3.0.0/24"),
        ]
        let deny = Configuration.PodTables(outbound: [.init(ports: [PortRange(25)], action: .deny)])
        configuration.pods = [
            Configuration.Pod(name: "shop/cart", addresses: [ip("10.1.0.2")]),
            Configuration.Pod(name: "shop/cart", addresses: [ip("10.2.0.2")], tables: deny, host: 3),
        ]
        configuration.podDefaults = Configuration.PodTables(inbound: [.init(ports: [PortRange(22)], action: .deny)])
        return configuration
    }

    @Test func podsAreFoundByHostAndAddress() throws {
        let names = SlotNames()
        var compiler = SnapshotCompiler(shared: SharedState(), names: names)
        let snapshot = try compiler.compile(sample(), oldestGenerationInUse: 0)
        let cart = try #require(snapshot.pod(at: ip("10.1.0.2")))
        let other = try #require(snapshot.pod(at: ip("10.2.0.2"), host: 3))
        #expect(cart != other && snapshot.pods[cart].slot != snapshot.pods[other].slot)
        #expect(snapshot.pods[cart].host == 0 && snapshot.pods[other].host == 3)
        #expect(snapshot.outboundEntry(pod: other, destination: SocketAddress(ip("9.9.9.9"), 25)) != nil)
        #expect(snapshot.outboundEntry(pod: cart, destination: SocketAddress(ip("9.9.9.9"), 25)) == nil)

        // Of another host, of this one, of none: no pod of that host.
        for (address, host) in [("10.2.0.2", 0), ("10.1.0.2", 3), ("10.2.0.2", 65535), ("10.2.0.2", 7), ("9.9.9.9", 3)]
        {
            #expect(snapshot.pod(at: ip(address), host: UInt16(host)) == nil, "\(address) on \(host)")
        }
    }

    @Test func eachHostHasItsOwnUnknownPod() throws {
        var compiler = SnapshotCompiler(shared: SharedState(), names: SlotNames())
        let snapshot = try compiler.compile(sample(), oldestGenerationInUse: 0)
        let unknown = [
            try #require(snapshot.pod(at: ip("10.1.0.9"))),
            try #require(snapshot.pod(at: ip("10.2.0.9"), host: 3)),
            try #require(snapshot.pod(at: ip("10.3.0.9"), host: 65535)),
        ]
        #expect(Set(unknown).count == 3 && Set(unknown.map { snapshot.pods[$0].slot }).count == 3)
        for pod in unknown {
            #expect(snapshot.isUnknown(pod: pod) && snapshot.pods[pod].connectionsMax == .max)
            #expect(snapshot.inboundEntry(pod: pod, client: ip("9.9.9.9"), port: 22) != nil, "podDefaults hold")
        }
        let cart = try #require(snapshot.pod(at: ip("10.2.0.2"), host: 3))
        #expect(!snapshot.isUnknown(pod: cart))
        #expect(snapshot.host(of: ip("10.3.0.9")) == 65535 && snapshot.host(of: ip("10.1.0.9")) == 0)
        #expect(snapshot.view.isProtected(ip("10.2.0.9")) && !snapshot.view.isProtected(ip("10.1.0.9")))
    }

    @Test func marksNameTheHost() throws {
        var configuration = sample()
        var compiler = SnapshotCompiler(shared: SharedState(), names: SlotNames())
        let snapshot = try compiler.compile(configuration, oldestGenerationInUse: 0)
        #expect(snapshot.hosts.map(\.mark) == [0x0003_0010, 0xffff_0010])
        #expect(snapshot.view.host(id: 3)?.id == 3)
        for id: UInt16 in [0, 1, 4, 65534] { #expect(snapshot.view.host(id: id) == nil) }

        configuration.failover.hostMarkMask = 0x0000_0f00
        configuration.failover.protects = [host(15, "node-b", "10.2.0.0/24")]
        configuration.pods = []
        let other = try compiler.compile(configuration, oldestGenerationInUse: 1)
        #expect(other.hosts.map(\.mark) == [0x0000_0f10])
        #expect(configuration.failover.hostID(inMark: 0x0000_0f10) == 15)
    }

    @Test func slotsStayWithTheNodeAndNotWithItsNumber() throws {
        let names = SlotNames()
        var compiler = SnapshotCompiler(shared: SharedState(), names: names)
        var configuration = sample()
        let first = try compiler.compile(configuration, oldestGenerationInUse: 0)
        #expect(first.freshSlots.hosts == [3, 65535] && names.name(.host, 3) == "node-b")
        let slot = first.pods[try #require(first.pod(at: ip("10.2.0.2"), host: 3))].slot

        // node-b gets another number, and node-c its old one.
        configuration.failover.protects = [
            host(4, "node-b", "10.2.0.0/24"), host(3, "node-c", "10.3.0.0/24"),
        ]
        configuration.pods[1].host = 4
        let second = try compiler.compile(configuration, oldestGenerationInUse: 1)
        let cart = try #require(second.pod(at: ip("10.2.0.2"), host: 4))
        #expect(second.pods[cart].slot == slot)
        #expect(second.gonePods.isEmpty && second.freshSlots.hosts.sorted() == [3, 4])
        #expect(names.name(.host, 3) == "node-c")

        // A host that is no longer protected takes its pods along.
        configuration.failover.protects = []
        configuration.pods.removeLast()
        let third = try compiler.compile(configuration, oldestGenerationInUse: 2)
        #expect(third.gonePods.count == 3 && third.gonePods.contains(slot))
    }

    @Test func tunnelProbesComeFromTunnelsOnly() {
        func isProbe(_ client: String, _ destination: String) -> Bool {
            RuleProbe.isTunnelProbe(from: ip(client), to: SocketAddress(destination) ?? SocketAddress(.anyV4, 0))
        }
        #expect(isProbe("169.254.98.198", "169.254.98.199:15021"))
        #expect(isProbe("fe80::a9fe:62c6", "[fe80::a9fe:62c7]:15021"))
        #expect(!isProbe("169.254.98.198", "169.254.98.199:15020"))
        #expect(!isProbe("10.1.0.2", "169.254.98.199:15021"))
        #expect(!isProbe("169.254.98.198", "10.1.0.2:15021"))
        #expect(!isProbe("169.254.112.1", "169.254.98.199:15021"), "the rules' own probes are others")
    }
}
