import Model
import Testing

@testable import Admin

@Suite struct ReadinessTests {
    private let now = Readiness.Now(monotonicMilliseconds: 100_000, unixSeconds: 1_795_352_400)

    @Test func aServingProxyWithLiveWorkersIsReady() throws {
        let proxy = try FakeProxy(.sample())
        proxy.beat(at: 99_500)
        #expect(Readiness().view(of: proxy, now: now) == ReadinessView(ready: true, reasons: [], warnings: []))
    }

    @Test func aLateWorkerIsNamedWithItsAge() throws {
        let proxy = try FakeProxy(.sample())
        proxy.beat(at: 99_500)
        proxy.beat(worker: 1, at: 97_700)
        let view = Readiness().view(of: proxy, now: now)
        #expect(!view.ready)
        #expect(view.reasons == ["worker 1: no progress for 2.3 s"])
    }

    @Test(arguments: [(ProxyPhase.starting, "starting"), (.draining, "draining"), (.stopped, "stopped")])
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
        #expect(later == ReadinessView(ready: false, reasons: ["restart needed: workers"], warnings: []))
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
}
