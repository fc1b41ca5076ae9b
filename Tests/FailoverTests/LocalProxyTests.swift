import Model
import Testing

@testable import Failover

private let millisecond: Int64 = 1_000_000

/// A proxy of some workers that is probed as the guard does it.
private struct Scene {
    var proxy: LocalProxy
    var now: Int64 = 0
    let workers: Int
    let settings: Configuration.Probe

    init(workers: Int = 2, isTaken: Bool = false, _ settings: Configuration.Probe = .init()) {
        self.workers = workers
        self.settings = settings
        proxy = LocalProxy(settings, isTaken: isTaken, now: 0)
    }

    var isTaken: Bool { proxy.isTaken(fallsThrough: true, now: now) }

    /// `count` rounds in which the workers named do not answer.
    mutating func rounds(_ count: Int, hung: Set<Int> = [], refused: Bool = false) {
        for _ in 0..<count {
            now += 100 * millisecond
            for worker in 0..<workers {
                let outcome: LocalProxy.Outcome =
                    refused ? .refused : (hung.contains(worker) ? .unanswered : .answered)
                _ = proxy.probed(.worker(worker), .v4, outcome, now: now)
            }
        }
    }
}

struct LocalProxyTests {
    @Test func oneHungWorkerOfManyIsEnough() {
        var scene = Scene(workers: 8)
        scene.rounds(5)
        scene.rounds(2, hung: [5])
        #expect(scene.proxy.state == .serving && !scene.isTaken)
        scene.rounds(1, hung: [5])
        #expect(scene.proxy.state == .hung && scene.isTaken)
    }

    @Test func failuresThatAreNotInARowAreForgiven() {
        var scene = Scene()
        for _ in 0..<20 {
            scene.rounds(2, hung: [0])
            scene.rounds(1)
        }
        #expect(scene.proxy.state == .serving)
    }

    @Test func itComesBackAfterHealthyRoundsOfEveryWorker() {
        var scene = Scene(workers: 3)
        scene.rounds(3, hung: [0, 1, 2])
        scene.rounds(19)
        #expect(scene.proxy.state == .returning && scene.isTaken)
        scene.rounds(1, hung: [2])
        #expect(scene.proxy.state == .hung, "one more failure and it begins anew")
        scene.rounds(19)
        #expect(scene.isTaken)
        scene.rounds(1)
        #expect(scene.proxy.state == .serving && !scene.isTaken)
    }

    /// What was tried before all workers were known must not be waited for.
    @Test func workersThatAnswerSpeakForTheirFamily() {
        var scene = Scene()
        for _ in 0..<3 { _ = scene.proxy.probed(.any(.v4), .v4, .unanswered, now: scene.now) }
        #expect(scene.proxy.state == .hung)
        scene.rounds(21)
        #expect(scene.proxy.state == .serving)
    }

    /// The kernel's rules do it by themselves, in both directions.
    @Test func aDeadProxyIsLeftToTheRules() {
        var scene = Scene()
        scene.rounds(3)
        scene.rounds(3, refused: true)
        #expect(scene.proxy.state == .absent && !scene.isTaken)
        #expect(scene.proxy.isTaken(fallsThrough: false, now: scene.now), "unless they cannot")
        scene.rounds(1)
        #expect(scene.proxy.state == .serving && !scene.isTaken, "the first answer is enough")
    }

    @Test func oneFamilyThatIsRefusedIsNoDeath() {
        var scene = Scene()
        scene.rounds(1)
        let change = scene.proxy.probed(.any(.v6), .v6, .refused, now: scene.now)
        #expect(change == nil)
        #expect(scene.proxy.state == .serving)
    }

    @Test func onlyWithoutAnyProgressItIsKilled() {
        var scene = Scene()
        scene.rounds(3, hung: [0, 1])
        let hungAt = scene.now
        for _ in 0..<150 {
            scene.rounds(1, hung: [0, 1])
            // Starved: a little CPU time every second.
            if scene.now / (100 * millisecond) % 10 == 0 { scene.proxy.progressed(now: scene.now) }
            #expect(!scene.proxy.mustBeKilled(now: scene.now), "starved for \((scene.now - hungAt) / millisecond) ms")
        }
        scene.proxy.progressed(now: scene.now)
        scene.rounds(99, hung: [0, 1])
        #expect(!scene.proxy.mustBeKilled(now: scene.now))
        scene.rounds(1, hung: [0, 1])
        #expect(scene.proxy.mustBeKilled(now: scene.now))
        scene.proxy.killed(now: scene.now)
        #expect(!scene.proxy.mustBeKilled(now: scene.now), "once")
    }

    @Test func whoKeepsDyingIsLeftAloneForEverLonger() {
        var scene = Scene()
        var waits: [Int] = []
        for _ in 0..<8 {
            scene.rounds(1, refused: true)
            var rounds = 0
            repeat {
                scene.rounds(1)
                rounds += 1
            } while scene.isTaken && rounds < 10_000
            waits.append(rounds)
        }
        #expect(waits == [1, 1, 100, 200, 400, 800, 1600, 3000], "\(waits)")
        // A long life ends the series.
        scene.rounds(700)
        scene.rounds(1, refused: true)
        #expect(!scene.isTaken)
    }

    /// A guard that starts while the rules already lead past the proxy does not give it back unseen.
    @Test func itGoesOnFromTheRulesInForce() {
        var scene = Scene(isTaken: true)
        #expect(scene.isTaken)
        scene.rounds(19)
        #expect(scene.isTaken)
        scene.rounds(1)
        #expect(!scene.isTaken)
    }

    /// Against a plain description of the same rules, with random events.
    @Test(arguments: 0..<40) func randomEventsKeepThePromises(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let killAfter = Int64.random(in: 500...3000, using: &random)
        let settings = Configuration.Probe(
            unhealthyAfter: .random(in: 1...5, using: &random), healthyAfter: .random(in: 1...10, using: &random),
            killAfter: .milliseconds(killAfter))
        let workers = Int.random(in: 1...4, using: &random)
        var proxy = LocalProxy(settings, isTaken: false, now: 0)
        var now: Int64 = 0
        var unanswered = [Int](repeating: 0, count: workers), answered = unanswered
        var lastSign: Int64 = 0, stateBefore = proxy.state
        for step in 0..<2000 {
            now += .random(in: 1...50, using: &random) * millisecond
            let worker = Int.random(in: 0..<workers, using: &random)
            let roll = Int.random(in: 0..<100, using: &random)
            let outcome: LocalProxy.Outcome = roll < 60 ? .answered : (roll < 97 ? .unanswered : .refused)
            if roll % 7 == 0 {
                proxy.progressed(now: now)
                lastSign = now
            }
            let change = proxy.probed(.worker(worker), .v4, outcome, now: now)
            switch outcome {
            case .answered:
                (answered[worker], unanswered[worker]) = (answered[worker] + 1, 0)
                // Of a proxy that hangs, others' answers are no sign of the worker that hangs.
                if stateBefore != .hung { lastSign = now }
            case .unanswered: (answered[worker], unanswered[worker]) = (0, unanswered[worker] + 1)
            case .refused: (answered, unanswered) = (answered.map { _ in 0 }, answered.map { _ in 0 })
            }
            let note: Comment = "seed \(seed), step \(step): \(stateBefore) -> \(proxy.state) by \(outcome)"
            #expect((change == nil) == (stateBefore == proxy.state), note)
            #expect((outcome == .refused) == (proxy.state == .absent) || proxy.state == .absent, note)
            if unanswered.contains(where: { $0 >= settings.unhealthyAfter }) { #expect(proxy.state == .hung, note) }
            if proxy.state == .hung || proxy.state == .returning {
                #expect(proxy.isTaken(fallsThrough: true, now: now), note)
            }
            if stateBefore == .returning, proxy.state == .serving {
                #expect(answered[worker] >= settings.healthyAfter, note)
            }
            if proxy.mustBeKilled(now: now) {
                #expect(proxy.state == .hung && now - lastSign >= killAfter * millisecond, note)
                proxy.killed(now: now)
            }
            stateBefore = proxy.state
        }
    }
}
