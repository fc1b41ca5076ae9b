import Model
import Testing

@testable import Interception

/// What is read off `iptables-save` and /proc.
@Suite struct KernelStateTests {
    func state(_ saved: String, _ set: Xtables = Xtables(.legacy, .v4), chains: [String] = []) -> KernelState {
        var state = KernelState()
        state.nft.isKnown = true
        state.nft.bases = chains.map {
            NftFirewalls.Base(family: "ip", table: "filter", name: $0, type: "filter", hook: $0.lowercased())
        }
        state.note(saved, of: set)
        return state
    }

    @Test(arguments: [
        ("-A INPUT -j APUS_INPUT\n-A INPUT -j DROP", []),
        ("-A INPUT -s 10.0.0.1/32 -j DROP\n-A INPUT -j APUS_INPUT", ["INPUT"]),
        ("-A FORWARD -j X\n-A FORWARD -j APUS_FORWARD\n-A INPUT -j APUS_INPUT\n-A OUTPUT -j Y", ["FORWARD"]),
        ("-A APUS_INPUT -m mark --mark 0x10/0x70 -j ACCEPT\n-A INPUT -j X\n-A X -j APUS_INPUT", []),
    ]) func jumpsThatAreNotFirstAreSeen(rules: String, late: [String]) {
        let found = state("*filter\n:INPUT DROP [0:0]\n\(rules)\nCOMMIT\n").lateJumps
        #expect(found == late.map { KernelState.LateJump(set: Xtables(.legacy, .v4), table: "filter", chain: $0) })
    }

    @Test(arguments: [
        (":OUTPUT ACCEPT [0:0]\n-A OUTPUT -o lo -j DROP\n-A OUTPUT -j DROPPED", false),
        (":OUTPUT DROP [0:0]", true),
        (":OUTPUT ACCEPT [0:0]\n-A OUTPUT -o lo -j ACCEPT\n-A OUTPUT -j DROP", true),
        (":OUTPUT ACCEPT [0:0]\n-A OUTPUT -j REJECT --reject-with icmp-port-unreachable", true),
    ]) func outputsThatDropWhatTheyDoNotKnowAreSeen(rules: String, isClosed: Bool) {
        let found = state("*filter\n\(rules)\nCOMMIT\n").closedOutputs
        #expect(found == (isClosed ? [Xtables(.legacy, .v4)] : []))
    }

    /// iptables-nft prints chains that the kernel has not.
    @Test func chainsThatAreOnlyPrintedAreNoFirewalls() {
        let saved = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
        let set = Xtables(.nft, .v4)
        #expect(state(saved, set, chains: ["FORWARD"]).inputFirewalls == [])
        #expect(state(saved, set, chains: ["FORWARD", "INPUT"]).inputFirewalls == [set])
    }

    @Test func chainsThatOnlyWeUsedAreUnused() {
        let saved = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j X\nCOMMIT\n"
        let unused = ["INPUT", "FORWARD", "OUTPUT"].map { Uninstaller.isUnused("filter", chain: $0, in: saved) }
        #expect(unused == [true, false, false])
    }

    @Test func listenersAreFoundByExactAddress() throws {
        let line: Substring = "   2: 0100007F:3A99 00000000:0000 0A 00000000:00000000 00:00000000"
        #expect(try ListeningSockets.listens(line, on: #require(SocketAddress("127.0.0.1:15001"))))
        #expect(try !ListeningSockets.listens(line, on: #require(SocketAddress("127.0.0.1:15006"))))
        #expect(try !ListeningSockets.listens(line, on: #require(SocketAddress("[::1]:15001"))))
        let connected: Substring = "   2: 0100007F:3A99 0100007F:3A98 01 00000000:00000000 00:00000000"
        #expect(try !ListeningSockets.listens(connected, on: #require(SocketAddress("127.0.0.1:15001"))))
        let v6: Substring = "   0: 00000000000000000000000001000000:3A99 00000000000000000000000000000000:0000 0A 0:0 0"
        #expect(try ListeningSockets.listens(v6, on: #require(SocketAddress("[::1]:15001"))))
    }
}
