import Model
import Testing

@testable import Upstream

/// The policy of retries against a naive model that remembers everything: any sequence of outcomes, budgets over time.
@Suite struct RetryModelTests {
    /// What one request has met so far; every decision is worked out anew from all of it.
    private struct Request {
        let policy: RetryPolicy?
        /// Names of the configuration.
        let when: Set<String>
        let statuses: Set<Int>
        let grpc: Set<Int>
        var retries = 0
        var stale = 0
        var away = 0

        init(_ random: inout SmallRandom) {
            let names = RetryPolicy.Condition.names.filter { _ in random.below(2) == 0 }
            when = Set(names.map(\.name))
            statuses = Set([409, 429, 503, 504, 599].prefix(random.below(5)))
            grpc = Set(RetryPolicy.grpcNames.map(\.status).filter { _ in random.below(3) == 0 })
            guard random.below(8) > 0 else {
                policy = nil
                return
            }
            var policy = RetryPolicy(
                attempts: random.below(6), when: names.reduce(into: []) { $0.insert($1.condition) },
                grpc: grpc.reduce(0) { $0 | 1 << UInt32($1) }, backoffBase: Int64(random.below(1000)),
                backoffMax: Int64(random.below(5000)))
            for status in statuses { policy.insert(status: status) }
            self.policy = policy
        }

        /// nil: the request ends with this outcome; otherwise the pause is below this, and 0 is 0.
        mutating func pauseBound(_ attempt: Attempt) -> Int64? {
            if !attempt.isReplayable { return nil }
            if attempt.outcome == .staleConnection, stale < 64 {
                stale += 1
                return 0
            }
            if attempt.outcome == .turnedAway, away < 2 {
                away += 1
                return 0
            }
            guard let policy, isAsked(attempt) else { return nil }
            if !attempt.isIdempotent, isExecuted(attempt.outcome) { return nil }
            if retries == policy.attempts { return nil }
            var bound = policy.backoffBase
            for _ in 0..<retries { bound = min(bound * 2, policy.backoffMax) }
            retries += 1
            return min(bound, policy.backoffMax)
        }

        private func isAsked(_ attempt: Attempt) -> Bool {
            if let status = attempt.callStatus, grpc.contains(status) { return true }
            return switch attempt.outcome {
            case .staleConnection, .reset: when.contains("reset")
            case .connectFailure: when.contains("connectFailure")
            case .turnedAway: when.contains("connectFailure") || when.contains("refusedStream")
            case .refusedStream: when.contains("refusedStream")
            case .perTryTimeout: when.contains("reset") || when.contains("5xx") || statuses.contains(504)
            case .status(let status): status >= 500 && when.contains("5xx") || statuses.contains(status)
            case .grpcStatus(let status): grpc.contains(status)
            }
        }

        /// Whether the server may have begun.
        private func isExecuted(_ outcome: RetryState.Outcome) -> Bool {
            ![.staleConnection, .connectFailure, .refusedStream, .turnedAway].contains(outcome)
        }
    }

    /// How one attempt ended.
    private struct Attempt {
        let outcome: RetryState.Outcome
        let isReplayable: Bool
        let isIdempotent: Bool
        let callStatus: Int?

        /// `replayMax` and the bytes that had gone out when it ended: more is not at hand any more.
        init(_ random: inout SmallRandom, isIdempotent: Bool, body: Int, replayMax: Int) {
            outcome =
                [
                    .staleConnection, .turnedAway, .connectFailure, .reset, .perTryTimeout, .refusedStream,
                    .status([200, 404, 409, 429, 500, 502, 503, 504, 599][random.below(9)]),
                    .grpcStatus(random.below(17)),
                ][random.below(8)]
            isReplayable = random.below(body + 1) <= replayMax
            self.isIdempotent = isIdempotent
            callStatus = random.below(4) == 0 ? random.below(17) : nil
        }
    }

    @Test func decisionsAreTheModels() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SmallRandom(seed: seed)
        var decisions = (retried: 0, ended: 0)
        for number in 0..<5000 {
            var model = Request(&random)
            var state = RetryState(model.policy)
            let (isIdempotent, body) = (random.below(2) == 0, random.below(3) * 1000)
            for step in 0..<80 {
                let attempt = Attempt(&random, isIdempotent: isIdempotent, body: body, replayMax: 1500)
                let decision = state.decide(
                    outcome: attempt.outcome, isReplayable: attempt.isReplayable, isIdempotent: isIdempotent,
                    callStatus: attempt.callStatus, random: &random)
                let note: Comment = "seed \(seed), request \(number), step \(step): \(attempt), \(model)"
                guard let bound = model.pauseBound(attempt) else {
                    #expect(decision == .giveUp, note)
                    decisions.ended += 1
                    // The exchange ends here; the machine must not have counted it, so it may be asked on.
                    if random.below(4) == 0 { break }
                    continue
                }
                guard case .retry(let pause) = decision else {
                    Issue.record(note)
                    return
                }
                #expect(pause >= 0 && (pause < bound || pause == 0), note)
                #expect(state.retries == model.retries, note)
                decisions.retried += 1
            }
        }
        #expect(decisions.retried > 2000 && decisions.ended > 2000, "\(decisions)")
    }

    /// All that happened to a budget; what counts is looked up in it each time.
    private struct Ledger {
        private var events: [(time: Int64, isRetry: Bool)] = []
        /// When the period under way began, and when the one before did; nil: that one is not next to it.
        private var start: Int64 = 0
        private var startBefore: Int64?

        mutating func request(_ now: Int64) {
            turn(now)
            events.append((now, false))
        }

        mutating func takesRetry(_ percent: Int, _ now: Int64) -> Bool {
            turn(now)
            let recent = events.filter { $0.time >= startBefore ?? start }
            let retries = recent.count { $0.isRetry }
            guard retries * 100 < 20 * 100 + (recent.count - retries) * percent / 100 * 100 else { return false }
            events.append((now, true))
            return true
        }

        private mutating func turn(_ now: Int64) {
            if now - start >= 10_000_000_000 {
                (startBefore, start) = (nil, now)
            } else if now - start >= 5_000_000_000 {
                (startBefore, start) = (start, start + 5_000_000_000)
            }
        }

        /// The most retries, and the requests that allowed them, within any ten seconds.
        var worst: (retries: Int, requests: Int) {
            var worst = (retries: 0, requests: 0)
            for (index, event) in events.enumerated() where event.isRetry {
                let window = events[...index].reversed().prefix { event.time - $0.time < 5_000_000_000 }
                let requests = events[...index].reversed().prefix { event.time - $0.time < 15_000_000_000 }
                let retries = window.count { $0.isRetry }
                if retries > worst.retries { worst = (retries, requests.count { !$0.isRetry }) }
            }
            return worst
        }
    }

    @Test func budgetsAreTheModels() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SmallRandom(seed: seed)
        for number in 0..<100 {
            var (budget, ledger) = (RetryBudget(), Ledger())
            var now = Int64(random.below(20)) * 1_000_000_000
            let (percent, wish) = (random.below(101), 1 + random.below(4))
            var refused = 0
            for step in 0..<400 {
                // Bursts, and pauses of up to some periods.
                if random.below(3) == 0 { now += Int64(random.below(100)) * 10_000_000 }
                if random.below(50) == 0 { now += Int64(random.below(12)) * 1_000_000_000 }
                if random.below(wish + 1) == 0 {
                    budget.requestStarted(now: now)
                    ledger.request(now)
                } else {
                    let isTaken = budget.take(percent: percent, now: now)
                    #expect(isTaken == ledger.takesRetry(percent, now), "seed \(seed), budget \(number), step \(step)")
                    if !isTaken { refused += 1 }
                }
            }
            let worst = ledger.worst
            #expect(
                worst.retries <= RetryBudget.retriesMin + worst.requests * percent / 100,
                "seed \(seed), budget \(number): \(worst)")
            if wish > 1, percent < 20 { #expect(refused > 0, "seed \(seed), budget \(number)") }
        }
    }
}
