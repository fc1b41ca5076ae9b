import Model
import Testing

@testable import Failover

struct FailoverMachineTests {
    private static let remotes = ["r1", "r2"].enumerated().map { index, name in
        Configuration.Remote(name: name, address: IPAddress(v4: 0x0a63_0015 + UInt32(index)))
    }
    private static let failover = Configuration.Failover(policy: [.remote, .drop], remotes: remotes)

    private func machine(_ inForce: DesiredState? = nil, forced: ForcedMode = .auto) -> FailoverMachine {
        FailoverMachine(Self.failover, inForce: inForce, forced: forced, now: 0)
    }

    private func probe(_ machine: inout FailoverMachine, _ remote: String, _ isAnswered: Bool, _ count: Int) {
        for _ in 0..<count { _ = machine.probed(remote: remote, isAnswered ? .answered : .unanswered, now: 0) }
    }

    @Test func aFreshHostIsProtectedAtOnce() {
        #expect(machine().desired(now: 0) == DesiredState(isLocalTaken: false, remotes: ["r1", "r2"]))
    }

    @Test func unhealthyRemotesDropOutSinglyAndTheLastLeavesTheNextAnswer() {
        var machine = machine()
        probe(&machine, "r1", true, 1)
        probe(&machine, "r2", true, 1)
        probe(&machine, "r1", false, 2)
        #expect(machine.desired(now: 0).remotes == ["r1", "r2"])
        probe(&machine, "r1", false, 1)
        #expect(machine.desired(now: 0).remotes == ["r2"])
        #expect(machine.desired(now: 0).answer(Self.failover.policy) == .remote)
        probe(&machine, "r2", false, 3)
        #expect(machine.desired(now: 0).remotes == [])
        #expect(machine.desired(now: 0).answer(Self.failover.policy) == .drop)
        probe(&machine, "r1", true, 19)
        #expect(machine.desired(now: 0).remotes == [])
        probe(&machine, "r1", true, 1)
        #expect(machine.desired(now: 0).remotes == ["r1"])
    }

    /// It is believed at once, keeps what it has, and has to prove itself when it is back.
    @Test func aRemoteThatLeavesGetsNothingNew() {
        var machine = machine()
        probe(&machine, "r1", true, 1)
        probe(&machine, "r2", true, 1)
        #expect(machine.probed(remote: "r1", .leaving, now: 0) != nil)
        #expect(machine.desired(now: 0) == DesiredState(isLocalTaken: false, remotes: ["r2"], kept: ["r1"]))
        for _ in 0..<100 { #expect(machine.probed(remote: "r1", .leaving, now: 0) == nil) }
        // Its listeners are closed, its connections are not.
        for _ in 0..<100 { #expect(machine.probed(remote: "r1", .refused, now: 0) == nil) }
        #expect(machine.desired(now: 0) == DesiredState(isLocalTaken: false, remotes: ["r2"], kept: ["r1"]))
        probe(&machine, "r1", true, 20)
        #expect(machine.desired(now: 0) == DesiredState(isLocalTaken: false, remotes: ["r1", "r2"]))
    }

    /// Waiting for it would be waiting for nothing.
    @Test func aRemoteThatIsSilentKeepsNothing() {
        var machine = machine()
        probe(&machine, "r1", true, 1)
        probe(&machine, "r2", true, 1)
        probe(&machine, "r1", false, 3)
        #expect(machine.desired(now: 0) == DesiredState(isLocalTaken: false, remotes: ["r2"]))
        _ = machine.probed(remote: "r1", .refused, now: 0)
        #expect(machine.desired(now: 0).kept == ["r1"])
        probe(&machine, "r1", false, 3)
        #expect(machine.desired(now: 0).kept == [])
    }

    @Test func theFirstProbeOfARemoteDecides() {
        var machine = machine()
        probe(&machine, "r2", false, 1)
        #expect(machine.desired(now: 0).remotes == ["r1"])
    }

    @Test func itGoesOnFromTheRulesInForce() {
        let before = DesiredState(isLocalTaken: true, refusesProtectedHosts: true, remotes: ["r2"])
        var machine = machine(before)
        #expect(machine.desired(now: 0) == before)
        probe(&machine, "r1", true, 20)
        #expect(machine.desired(now: 0).remotes == ["r1", "r2"])
    }

    /// For its own pods nothing changes when a proxy that hung has died and the rules do not fall through; for those of
    /// protected hosts it does.
    @Test func whatIsAnsweredToProtectedHostsIsAWishOfItsOwn() {
        var machine = machine()
        machine.fallsThrough = false
        for round in 1...3 { _ = machine.probed(.worker(0), .v4, .unanswered, now: Int64(round) * 100_000_000) }
        let hung = machine.desired(now: 400_000_000)
        #expect(hung.isLocalTaken && hung.refusesProtectedHosts)
        _ = machine.localGone(now: 500_000_000)
        let gone = machine.desired(now: 500_000_000)
        #expect(gone.isLocalTaken && !gone.refusesProtectedHosts)
        #expect(gone != hung)
    }

    @Test(arguments: ForcedMode.allCases) func anOperatorIsObeyed(mode: ForcedMode) {
        var machine = machine(forced: mode)
        for round in 1...200 {
            _ = machine.probed(.worker(0), .v4, .unanswered, now: Int64(round) * 100_000_000)
        }
        let now: Int64 = 20_000_000_000
        #expect(machine.local.state == .hung)
        #expect(machine.desired(now: now).isLocalTaken == (mode != .local))
        #expect(machine.mustKill(now: now) == (mode == .auto))
        machine.forced = .auto
        #expect(machine.desired(now: now).isLocalTaken && machine.mustKill(now: now))
    }

    @Test func remotesThatStayInTheConfigurationKeepTheirVerdict() {
        var machine = machine()
        probe(&machine, "r1", false, 1)
        var other = Self.failover
        other.remotes.append(.init(name: "r3", address: IPAddress(v4: 0x0a63_0020)))
        machine.configure(other, now: 0)
        #expect(machine.desired(now: 0).remotes == ["r2", "r3"])
        other.remotes[0].address = IPAddress(v4: 0x0a63_0030)
        machine.configure(other, now: 0)
        #expect(machine.desired(now: 0).remotes == ["r1", "r2", "r3"], "at another address it is another one")
    }
}
