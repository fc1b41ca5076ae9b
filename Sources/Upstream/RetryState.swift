import Model

/// Whether and when one exchange tries again: the machine of one request, over all of its attempts.
///
/// What was found dead before the kernel took a byte of the request is not a failure of the request: it goes on a new
/// connection, whatever the method and the policy, as long as its bytes are still at hand. Everything else is the
/// policy's, and what the server may have begun to execute is sent again only when the method is idempotent.
/// Limits of the cluster (retry breaker, budget) are the caller's to ask when the answer is to try again.
public struct RetryState: BitwiseCopyable, Sendable {
    /// How an attempt ended.
    public enum Outcome: BitwiseCopyable, Sendable, Equatable {
        /// A connection from the pool was dead before the kernel accepted the first byte of the request.
        case staleConnection
        /// The server ended a fresh connection, and had not looked at the request.
        case turnedAway
        /// No connection came about: refused, unreachable, or no answer in time.
        case connectFailure
        /// The connection broke after bytes of the request had gone out, before the response's head.
        case reset
        /// The response's head did not come within `perTryTimeout`.
        case perTryTimeout
        /// The server says that it has not looked at the request.
        case refusedStream
        /// The status of the response.
        case status(Int)
        /// The gRPC status of the response.
        case grpcStatus(Int)
    }

    /// What to do about it.
    public enum Decision: BitwiseCopyable, Sendable, Equatable {
        /// The outcome is the request's: hand it on.
        case giveUp
        /// Try again, with another endpoint if there is one, after so many nanoseconds.
        case retry(after: Int64)
    }

    private let policy: RetryPolicy
    /// Retries that counted against the policy.
    public private(set) var retries = 0
    private var staleConnections = 0
    private var turnsAway = 0

    /// Dead connections that one request goes past: a pool that is all dead (a server that restarted) holds many, and
    /// each costs next to nothing to find.
    static let staleMax = 64
    /// Servers that are about to end: whoever is asked next is probably another one.
    static let turnsAwayMax = 2

    /// A request's machine; nil: its route has no `retry`.
    public init(_ policy: RetryPolicy?) {
        self.policy = policy ?? RetryPolicy(attempts: 0)
    }

    /// See `RetryPolicy`.
    public var budgetPercent: Int { policy.budgetPercent }
    /// Nanoseconds that an attempt may wait for the head of the response; 0: no limit of its own.
    public var perTryTimeout: Int64 { policy.perTryTimeout }

    /// An attempt has ended in `outcome`.
    ///
    /// - Parameters:
    ///   - isReplayable: all bytes of the request that have gone out are still at hand.
    ///   - isIdempotent: by its method, or the route says that it does not matter (`retryNonIdempotent`).
    ///   - callStatus: what the outcome would be to the caller of a gRPC call; nil: it is none.
    public mutating func decide(
        outcome: Outcome, isReplayable: Bool, isIdempotent: Bool, callStatus: Int? = nil, random: inout SmallRandom
    ) -> Decision {
        guard isReplayable else { return .giveUp }
        if outcome == .staleConnection, staleConnections < Self.staleMax {
            staleConnections += 1
            return .retry(after: 0)
        }
        if outcome == .turnedAway, turnsAway < Self.turnsAwayMax {
            turnsAway += 1
            return .retry(after: 0)
        }
        let isAsked = isAsked(outcome) || callStatus.map(policy.retries(grpcStatus:)) ?? false
        guard retries < policy.attempts, isAsked, isIdempotent || !mayBeExecuted(outcome) else { return .giveUp }
        retries += 1
        return .retry(after: backoff(&random))
    }

    private func isAsked(_ outcome: Outcome) -> Bool {
        switch outcome {
        case .staleConnection, .reset: policy.when.contains(.reset)
        case .connectFailure: policy.when.contains(.connectFailure)
        case .turnedAway: policy.when.contains(.connectFailure) || policy.when.contains(.refusedStream)
        // Handed on it would be a 504.
        case .perTryTimeout: policy.when.contains(.reset) || policy.retries(status: 504)
        case .refusedStream: policy.when.contains(.refusedStream)
        case .status(let status): policy.retries(status: status)
        case .grpcStatus(let status): policy.retries(grpcStatus: status)
        }
    }

    private func mayBeExecuted(_ outcome: Outcome) -> Bool {
        switch outcome {
        case .connectFailure, .refusedStream, .staleConnection, .turnedAway: false
        case .reset, .perTryTimeout, .status, .grpcStatus: true
        }
    }

    /// Full jitter: clients that failed together must not come back together.
    private func backoff(_ random: inout SmallRandom) -> Int64 {
        let doublings = min(retries - 1, 30)
        let (product, overflow) = max(0, policy.backoffBase).multipliedReportingOverflow(by: 1 << Int64(doublings))
        let bound = overflow ? policy.backoffMax : min(product, policy.backoffMax)
        return Int64(random.below(Int(max(0, bound))))
    }
}
