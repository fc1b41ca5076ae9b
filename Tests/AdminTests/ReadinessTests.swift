import Model
import Testing

@testable import Admin

@Suite struct ReadinessTests {
    private let now = Readiness.Now(monotonicMilliseconds: 100_000, unixSeconds: 1_795_352_400)

    @Test func aServingProxyWithLiveWorkersIsReady() throws {
        let proxy = try FakeProxy(.sample())
        proxy.beat(at: 99_500)
        proxy.workerStatistics[1].worker.add(7, slot: 0, counter: WorkerCounter.turns.rawValue)
        let view = Readiness().view(of: proxy, now: now)
        #expect(view.ready && view.reasons.isEmpty && view.warnings.isEmpty)
        #expect(
            view.workers == [
                .init(worker: 0, heartbeatAgeMilliseconds: 500, turns: 0),
                .init(worker: 1, heartbeatAgeMilliseconds: 500, turns: 7),
            ])
    }

    @Test func aLateWorkerIsNamedWithItsAge() throws {
        let proxy = try FakeProxy(.sample())
        proxy.beat(at: 99_500)
        proxy.beat(worker: 1, at: 97_700)
        let view = Readiness().view(of: proxy, now: now)
        #expect(!view.ready)
        #expect(view.reasons == ["worker 1: no progress for 2.3 s"])
    }

    @Test(arguments: [
        (ProxyPhase.starting, "starting"), (.leaving, "draining"), (.draining, "draining"), (.stopped, "stopped"),
    ])
    func everyPhaseButServingIsAReason(phase: ProxyPhase, word: String) throws {
        let proxy = try FakeProxy(.sample())
        proxy.beat(at: 100_000)
        proxy.set { $0.phase = phase }
        let view = Readiness().view(of: proxy, now: now)
        #expect(!view.ready)
        #expect(view.reasons.count == 1 && view.reasons[0].hasPrefix(word), "\(view.reasons)")
    }

    @Test func aRefusedReloadWarnsUntilTheNextGoodOne() throws {
        let proxy = try FakeProxy(.sample())
        proxy.beat(at: 100_000)
        let readiness = Readiness()
        readiness.applied(restartNeeded: [], at: now.unixSeconds - 60)
        readiness.refused(["a.yaml:3:5: pods[0].name: missing"], at: now.unixSeconds - 35)
        let view = readiness.view(of: proxy, now: now)
        #expect(view.ready)
        #expect(
            view.warnings == [
                "configuration refused at 2026-11-22T12:59:25Z, 35 s ago: the running one stays: "
                    + "a.yaml:3:5: pods[0].name: missing"
            ])
        readiness.applied(restartNeeded: ["workers"], at: now.unixSeconds)
        let later = readiness.view(of: proxy, now: now)
        #expect(!later.ready && later.reasons == ["restart needed: workers"] && later.warnings.isEmpty)
        #expect(readiness.reloads.applied == 2 && readiness.reloads.refused == 1)
    }

    @Test func oneRefusalCannotFillTheMemory() {
        let readiness = Readiness()
        readiness.refused((0..<5000).map { "problem \($0)" }, at: 0)
        #expect(readiness.reloads.refusal?.problems.count == 101)
        #expect(readiness.reloads.refusal?.problems.last == "and 4900 more")
    }

    @Test func reasonsOfOthersComeAndGo() throws {
        let proxy = try FakeProxy(.sample())
        proxy.beat(at: 100_000)
        let readiness = Readiness()
        readiness.set(reason: "rules: missing", for: "rules")
        #expect(readiness.view(of: proxy, now: now).reasons == ["rules: missing"])
        readiness.set(reason: nil, for: "rules")
        #expect(readiness.view(of: proxy, now: now).ready)
    }

    @Test func whoStandsInForOthersSaysWhatIsMissing() throws {
        var configuration = Configuration(node: Configuration.Node(name: "node-r", mode: .remote))
        configuration.interception = Configuration.Interception(podCIDRs: [])
        let proxy = try FakeProxy(configuration)
        proxy.beat(at: 100_000)
        let (with, without) = (Readiness(acceptsMarks: { true }), Readiness(acceptsMarks: { false }))
        var view = with.view(of: proxy, now: now)
        #expect(view.ready && view.warnings.count == 1 && view.warnings[0].contains("failover.protects"))

        configuration.failover.protects = [
            Configuration.ProtectedHost(
                id: 1, node: "node-a", address: .known("10.99.0.11"), podCIDRs: [], tunnel: Configuration.Tunnel())
        ]
        try proxy.publish(configuration)
        view = with.view(of: proxy, now: now)
        #expect(view.ready && view.reasons.isEmpty && view.warnings.isEmpty)
        view = without.view(of: proxy, now: now)
        #expect(view.ready && view.warnings.count == 1 && view.warnings[0].contains("tcp_fwmark_accept"))
    }
}
