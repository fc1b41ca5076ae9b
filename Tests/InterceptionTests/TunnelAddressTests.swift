import Model
import Testing

@testable import Interception

/// Both ends compute the same addresses from what both configurations say.
@Suite struct TunnelAddressTests {
    @Test(arguments: [
        (UInt32(7011), "169.254.102.198", "169.254.102.199"), (2048, "169.254.96.0", "169.254.96.1"),
        (2047, "169.254.111.254", "169.254.111.255"), (0xff_ffff, "169.254.111.254", "169.254.111.255"),
    ]) func thePairFollowsFromTheNetworkIdentifier(vni: UInt32, protected: String, remote: String) {
        let tunnel = Configuration.Tunnel(vni: vni)
        #expect("\(TunnelAddress.protected(tunnel))" == protected)
        #expect("\(TunnelAddress.remote(tunnel))" == remote)
    }

    @Test func linkAddressesFollowFromTheUnderlay() throws {
        let v4 = try #require(IPAddress("10.99.0.13")), v6 = try #require(IPAddress("fd99::13"))
        #expect(TunnelAddress.link(v4) == "02:74:0a:63:00:0d")
        #expect(TunnelAddress.link(v6) == TunnelAddress.link(v6))
        let other = try #require(IPAddress("fd99::14"))
        #expect(TunnelAddress.link(v6) != TunnelAddress.link(other))
    }

    @Test func bothEndsOfATunnelFit() throws {
        let (a, c) = (try PlanCase.address("A"), try PlanCase.address("C"))
        let pods = try ["10.1.0.0/24", "fd01::/64"].map { try #require(CIDR($0)) }
        let tunnel = Configuration.Tunnel(vni: 7042)
        func plan(_ redirection: Redirection, own: IPAddress, other: IPAddress) throws -> RulePlan {
            var host = HostFacts()
            host.underlays = [HostFacts.Underlay(peer: "\(other)", local: "\(own)", mtu: 1500)]
            return try RulePlan(redirection, backend: .nft, host: host)
        }
        let failover = Configuration.Failover(
            policy: [.remote, .drop], remotes: [.init(name: "C", address: c)], tunnel: tunnel)
        let protected = try plan(
            Redirection(interception: .init(podCIDRs: pods), failover: failover), own: a, other: c)
        let host = Configuration.ProtectedHost(id: 3, node: "A", address: a, podCIDRs: pods, tunnel: tunnel)
        let remote = try plan(
            Redirection(interception: .init(podCIDRs: []), failover: .init(protects: [host]), isRemote: true), own: c,
            other: a)
        let (near, far) = (try #require(protected.ownTunnel?.device), try #require(remote.hostTunnels.first?.device))
        #expect(near.peers == [.init(link: far.link, address: far.local)])
        #expect(far.peers == [.init(link: near.link, address: near.local)])
        #expect(far.neighbors.contains(.init(address: near.address, link: near.link)))
        #expect(near.vni == far.vni && near.port == far.port && near.mtu == far.mtu && near.address != far.address)
    }

    /// A slot is in marks, tables and gateways: others that come and go must not move it.
    @Test func aRemoteKeepsItsSlot() throws {
        func slots(_ names: [String]) throws -> [String: Int] {
            let remotes = try names.map { Configuration.Remote(name: $0, address: try PlanCase.address($0)) }
            let slotted = OwnTunnel.slotted(.init(remotes: remotes), known: [:])
            return Dictionary(uniqueKeysWithValues: slotted.map { ($0.name, $0.slot) })
        }
        let all = try slots(["D", "B", "C"])
        #expect(Set(all.values).count == 3 && all.values.allSatisfy { (1...64).contains($0) })
        #expect(try slots(["C", "D"])["C"] == all["C"])
        #expect(try slots(["B", "C", "D"]) == all)
    }

    /// Two addresses may ask for the same slot: who has it keeps it.
    @Test func aRemoteThatComesTakesNobodysSlot() {
        func slots(_ hosts: [UInt32], _ known: [String: Int] = [:]) -> [String: Int] {
            let remotes = hosts.map { Configuration.Remote(name: "\($0)", address: IPAddress(v4: 0x0a63_0000 + $0)) }
            let slotted = OwnTunnel.slotted(.init(remotes: remotes), known: known)
            return Dictionary(uniqueKeysWithValues: slotted.map { ("\($0.address)", $0.slot) })
        }
        var moved = 0
        for old: UInt32 in 60...140 {
            let before = slots([old])
            for new in 1..<old {
                if slots([old, new])["10.99.0.\(old)"] != before["10.99.0.\(old)"] { moved += 1 }
                let after = slots([old, new], before)
                #expect(after["10.99.0.\(old)"] == before["10.99.0.\(old)"] && Set(after.values).count == 2)
            }
        }
        #expect(moved > 0, "no two of these addresses ask for the same slot: the test shows nothing")
        #expect(slots([7], ["10.99.0.7": 99]) == slots([7]), "what cannot be a slot is none")
    }
}
