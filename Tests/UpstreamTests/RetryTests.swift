import Model
import Testing

@testable import Upstream

@Suite struct RetryTests {
    private static let ms: Int64 = 1_000_000

    private func decide(
        _ state: inout RetryState, _ outcome: RetryState.Outcome, replayable: Bool = true, idempotent: Bool = true,
        seed: UInt64 = 1
    ) -> RetryState.Decision {
        var random = SmallRandom(seed: seed)
        return state.decide(outcome: outcome, isReplayable: replayable, isIdempotent: idempotent, random: &random)
    }

    private func retries(
        _ policy: RetryPolicy?, _ outcome: RetryState.Outcome, replayable: Bool = true, idempotent: Bool = true
    ) -> Bool {
        var state = RetryState(policy)
        return decide(&state, outcome, replayable: replayable, idempotent: idempotent) != .giveUp
    }

    @Test func aStaleConnectionIsReplacedWhateverTheMethodAndThePolicy() {
        #expect(retries(nil, .staleConnection, idempotent: false))
        #expect(!retries(nil, .staleConnection, replayable: false))
        var state = RetryState(nil)
        var count = 0
        while decide(&state, .staleConnection, idempotent: false) == .retry(after: 0) { count += 1 }
        #expect(count == RetryState.staleMax, "not for ever")
        #expect(state.retries == 0)
    }

    /// A server that ends every connection at once is not asked for ever, and then it is the policy's.
    @Test func whoIsTurnedAwayGoesElsewhereAFewTimes() {
        for policy: RetryPolicy? in [nil, RetryPolicy(attempts: 3, when: .connectFailure)] {
            var state = RetryState(policy)
            var count = 0
            while case .retry = decide(&state, .turnedAway, idempotent: false), count < 100 { count += 1 }
            let attempts = policy?.attempts ?? 0
            #expect(count == RetryState.turnsAwayMax + attempts && state.retries == attempts, "\(count)")
        }
        #expect(!retries(nil, .turnedAway, replayable: false))
    }

    @Test func withoutAPolicyNothingElseIsTriedAgain() {
        for outcome in [RetryState.Outcome.connectFailure, .reset, .perTryTimeout, .refusedStream, .status(503)] {
            #expect(!retries(nil, outcome), "\(outcome)")
        }
    }

    /// A POST never runs twice: what may have been executed is sent again only if the method allows it.
    @Test func onlyWhatCannotHaveBeenExecutedIsRetriedForAPost() {
        var policy = RetryPolicy(
            attempts: 3, when: [.connectFailure, .reset, .refusedStream, .serverError], grpc: 1 << 14)
        let hasRoom = policy.insert(status: 429)
        #expect(hasRoom)
        for outcome in [RetryState.Outcome.connectFailure, .refusedStream] {
            #expect(retries(policy, outcome, idempotent: false), "\(outcome)")
            #expect(!retries(policy, outcome, replayable: false), "\(outcome)")
        }
        for outcome in [
            RetryState.Outcome.reset, .perTryTimeout, .status(503), .status(429), .grpcStatus(14),
        ] {
            #expect(!retries(policy, outcome, idempotent: false), "\(outcome)")
            #expect(retries(policy, outcome), "\(outcome)")
            #expect(!retries(policy, outcome, replayable: false), "\(outcome)")
        }
    }

    /// What its caller would be told of a failure counts as the call's status.
    @Test func aFailureOfACallIsRetriedByItsStatus() {
        var policy = RetryPolicy(attempts: 1, when: [], grpc: 1 << 14)
        policy.when = []
        var random = SmallRandom(seed: 1)
        func retries(_ outcome: RetryState.Outcome, _ status: Int?, idempotent: Bool = false) -> Bool {
            var state = RetryState(policy)
            let decision = state.decide(
                outcome: outcome, isReplayable: true, isIdempotent: idempotent, callStatus: status, random: &random)
            return decision != .giveUp
        }
        #expect(retries(.connectFailure, 14) && retries(.refusedStream, 14))
        #expect(!retries(.connectFailure, nil) && !retries(.connectFailure, 4))
        #expect(!retries(.reset, 14) && retries(.reset, 14, idempotent: true))
    }

    @Test func onlyWhatIsNamedIsRetried() {
        for (condition, outcome) in [
            (RetryPolicy.Condition.connectFailure, RetryState.Outcome.connectFailure), (.reset, .reset),
            (.refusedStream, .refusedStream), (.serverError, .status(500)), (.serverError, .status(599)),
        ] {
            #expect(retries(RetryPolicy(when: condition), outcome), "\(outcome)")
            #expect(!retries(RetryPolicy(when: .init(rawValue: ~condition.rawValue)), outcome), "\(outcome)")
        }
        var policy = RetryPolicy(when: [])
        for status in [503, 504, 409, 429] {
            let hasRoom = policy.insert(status: status)
            #expect(hasRoom)
        }
        let sameAgain = policy.insert(status: 409)
        let oneMore = policy.insert(status: 410)
        #expect(sameAgain && !oneMore)
        for status in [200, 499, 500, 600] { #expect(!retries(policy, .status(status)), "\(status)") }
        for status in [503, 504, 409, 429] { #expect(retries(policy, .status(status)), "\(status)") }
        #expect(retries(policy, .perTryTimeout), "it would be a 504")
        #expect(!retries(policy, .grpcStatus(14)) && !retries(policy, .grpcStatus(300)))
    }

    @Test func attemptsAreCountedOverAllOutcomes() {
        var state = RetryState(RetryPolicy(attempts: 2, when: [.connectFailure, .reset]))
        #expect(decide(&state, .connectFailure) != .giveUp)
        #expect(decide(&state, .staleConnection) == .retry(after: 0))
        #expect(decide(&state, .reset) != .giveUp)
        #expect(decide(&state, .connectFailure) == .giveUp)
        #expect(state.retries == 2)
    }

    @Test func pausesGrowToTheMaximumAndAreSpread() {
        let policy = RetryPolicy(attempts: 100, backoffBase: 25 * Self.ms, backoffMax: 250 * Self.ms)
        var longest = [Int64](repeating: 0, count: 12)
        var shortest = [Int64](repeating: .max, count: 12)
        for seed in UInt64(0)..<500 {
            var state = RetryState(policy)
            var random = SmallRandom(seed: seed)
            for number in longest.indices {
                let decision = state.decide(
                    outcome: .connectFailure, isReplayable: true, isIdempotent: true, random: &random)
                guard case .retry(let pause) = decision else { continue }
                longest[number] = max(longest[number], pause)
                shortest[number] = min(shortest[number], pause)
            }
        }
        for (number, bound) in [25, 50, 100, 200, 250, 250].enumerated() {
            #expect(longest[number] < Int64(bound) * Self.ms && longest[number] > Int64(bound) * Self.ms * 9 / 10)
            #expect(shortest[number] < Int64(bound) * Self.ms / 10)
        }
        var extreme = RetryState(RetryPolicy(attempts: 1000, backoffBase: .max / 2, backoffMax: 10))
        for _ in 0..<100 { #expect(decide(&extreme, .connectFailure) != .giveUp) }
    }

    @Test func theBudgetIsAShareOfRecentRequests() {
        var budget = RetryBudget()
        var now: Int64 = 77
        func taken(_ budget: inout RetryBudget, _ wanted: Int, _ percent: Int = 20) -> Int {
            (0..<wanted).count { _ in budget.take(percent: percent, now: now) }
        }
        #expect(taken(&budget, 100) == RetryBudget.retriesMin, "a few, whatever the traffic")
        for _ in 0..<1000 { budget.requestStarted(now: now) }
        #expect(taken(&budget, 1000) == 200)
        now += RetryBudget.periodNanoseconds
        #expect(taken(&budget, 1000) == 0, "still recent")
        now += RetryBudget.periodNanoseconds
        #expect(taken(&budget, 1000) == RetryBudget.retriesMin, "forgotten")
        now += 100 * RetryBudget.periodNanoseconds
        for _ in 0..<50 { budget.requestStarted(now: now) }
        #expect(taken(&budget, 1000, 100) == 50 + RetryBudget.retriesMin)
        #expect(taken(&budget, 10, 0) == 0)
    }

    /// When every request fails and asks for ten retries, what reaches the servers is at most the share more.
    @Test func retriesDoNotMultiplyAnOutage() {
        var budget = RetryBudget()
        var (now, requests, retries) = (Int64(0), 0, 0)
        for _ in 0..<100_000 {
            now += 1_000_000
            requests += 1
            budget.requestStarted(now: now)
            for _ in 0..<10 where budget.take(percent: 20, now: now) { retries += 1 }
        }
        #expect(retries > requests * 18 / 100 && retries < requests * 22 / 100, "\(retries) of \(requests)")
    }
}
