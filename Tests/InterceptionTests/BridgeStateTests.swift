import Foundation
import Model
import Testing

@testable import Interception

@Suite struct BridgeStateTests {
    private let families: [IPAddress.Family] = [.v4, .v6]

    private func state(_ port: BridgePort, obstacle: String? = nil, isFiltered: Bool = true) -> BridgeState {
        let settings = isFiltered ? ["bridge-nf-call-iptables"] : []
        return BridgeState(
            bridges: [.init(name: "cni0", filterSettings: settings, obstacle: obstacle)], ports: [port],
            reception: BridgeReception(bridges: ["cni0"]))
    }

    @Test func aPortIsCoveredOnceAndUncoveredWithItsQdisc() {
        let new = state(BridgePort(name: "veth1", bridge: "cni0"))
        #expect(new.differences(families, .nft).count == 1)
        #expect(
            new.steps(families, .nft).map { "\($0.action)" } == [
                "tc qdisc add dev veth1 clsact",
                "tc filter add dev veth1 ingress pref 1501 protocol ip u32 match ip protocol 6 0xff "
                    + "action mirred ingress redirect dev cni0",
                "tc filter add dev veth1 ingress pref 1502 protocol ipv6 u32 match ip6 protocol 6 0xff "
                    + "action mirred ingress redirect dev cni0",
            ])
        #expect(new.portsToPrepare(.nft) == ["veth1"])
        let covered = BridgePort(
            name: "veth1", bridge: "cni0", qdisc: "clsact", covered: [.v4, .v6], present: [.v4, .v6])
        #expect(state(covered).steps(families, .nft) == [])
        #expect(state(covered).differences(families, .nft) == [])
        #expect(
            state(covered).removalSteps(made: ["veth1"]).map { "\($0.action)" } == [
                "tc qdisc del dev veth1 clsact", "nft delete table netdev apus",
            ])
    }

    /// A qdisc or filters of others stay.
    @Test func whatIsOfOthersStays() {
        let shared = BridgePort(
            name: "veth1", bridge: "cni0", qdisc: "clsact", covered: [.v4], present: [.v4], hasForeignFilters: true)
        let removal = ["tc filter del dev veth1 ingress pref 1501", "nft delete table netdev apus"]
        #expect(state(shared).removalSteps(made: ["veth1"]).map { "\($0.action)" } == removal)
        var alone = shared
        alone.hasForeignFilters = false
        #expect(state(alone).removalSteps(made: []).map { "\($0.action)" } == removal)
        #expect(state(shared).limitations(.nft).count == 1)
    }

    @Test func onlyWhatWouldHangIsRefused() {
        let port = BridgePort(name: "veth1", bridge: "cni0")
        #expect(state(port).problems(.nft) == [])
        #expect(state(port, obstacle: "its port eth1 is no veth").problems(.nft).count == 1)
        #expect(state(port, obstacle: "its port eth1 is no veth", isFiltered: false).problems(.nft) == [])
        #expect(state(port, obstacle: "its port eth1 is no veth", isFiltered: false).limitations(.nft).count == 1)
        let xtables = Backend.iptables(.legacy, decisions: .xtables)
        #expect(state(port).problems(xtables).count == 1)
    }

    @Test func receptionIsReadBackFromTheKernelsSpelling() {
        let one = """
            table netdev apus {
            \tchain bridged {
            \t\ttype filter hook ingress device "cni0" priority filter; policy accept;
            \t\tmeta pkttype other meta l4proto tcp meta pkttype set host
            \t}
            }
            """
        #expect(BridgeReception(parsing: one).bridges == ["cni0"])
        let two = one.replacing("device \"cni0\"", with: "devices = { \"docker0\", \"br-1a2b\" }")
        #expect(BridgeReception(parsing: two).bridges == ["br-1a2b", "docker0"])
        #expect(BridgeReception(parsing: "table netdev apus {\n}").bridges == [])
    }

    @Test func filtersAreReadFromWhatTcPrints() throws {
        let text = """
            [{"protocol":"ip","pref":1501,"kind":"u32","chain":0},
             {"protocol":"ip","pref":1501,"kind":"u32","chain":0,"options":{"fh":"800:","ht_divisor":1}},
             {"protocol":"ip","pref":1501,"kind":"u32","chain":0,"options":{"fh":"800::1","order":1,"key_ht":"800",
              "bkt":"0","not_in_hw":true,"match":{"value":"60000","mask":"ff0000","offmask":"","off":8},"actions":
              [{"order":1,"kind":"mirred","mirred_action":"redirect","direction":"ingress","to_dev":"cni0",
                "control_action":{"type":"stolen"},"index":5,"ref":1,"bind":1}]}},
             {"protocol":"all","pref":49152,"kind":"bpf","chain":0,"options":{"match":"x","actions":7}}]
            """
        let filters = try JSONDecoder().decode([TrafficFilter].self, from: Data(text.utf8))
        #expect(filters.map(\.target) == [nil, nil, "cni0", nil])
        #expect(filters[2].match == BridgePort.match(.v4))
        #expect(filters[3].preference == 49152)
    }
}
