/// When and how a request is sent again, as workers see it. Times are nanoseconds.
public struct RetryPolicy: Sendable, BitwiseCopyable, Equatable {
    /// What makes an attempt worth another one.
    public struct Conditions: OptionSet, Sendable, BitwiseCopyable, Hashable {
        /// One bit per condition.
        public let rawValue: UInt16
        /// A set of conditions.
        public init(rawValue: UInt16) { self.rawValue = rawValue }
        /// No connection came about.
        public static let connectFailure = Conditions(rawValue: 1)
        /// The upstream closed or reset before the response's head, or the per-try timeout passed.
        public static let reset = Conditions(rawValue: 2)
        /// The upstream said that it had not begun.
        public static let refusedStream = Conditions(rawValue: 4)
        /// Any status from 500 to 599.
        public static let serverError = Conditions(rawValue: 8)
        /// 502, 503 or 504.
        public static let gatewayError = Conditions(rawValue: 16)
        /// 409.
        public static let retriableClientError = Conditions(rawValue: 32)
        /// What a policy has that names none.
        public static let `default`: Conditions = [.connectFailure, .reset, .refusedStream]

        /// By their names in the configuration.
        public static let byName: [(name: String, condition: Conditions)] = [
            ("connectFailure", .connectFailure), ("reset", .reset), ("refusedStream", .refusedStream),
            ("5xx", .serverError), ("gatewayError", .gatewayError), ("retriable4xx", .retriableClientError),
        ]
    }

    /// Values of `grpc-status`: bit n for status n.
    public struct GRPCStatuses: OptionSet, Sendable, BitwiseCopyable, Hashable {
        /// One bit per status.
        public let rawValue: UInt32
        /// A set of statuses.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Names in the configuration, in the order of their numbers.
        public static let names = [
            "ok", "cancelled", "unknown", "invalidArgument", "deadlineExceeded", "notFound", "alreadyExists",
            "permissionDenied", "resourceExhausted", "failedPrecondition", "aborted", "outOfRange", "unimplemented",
            "internal", "unavailable", "dataLoss", "unauthenticated",
        ]
    }

    /// How many single status codes a policy has room for.
    public static let statusesMax = 4

    /// Attempts after the first.
    public var attempts: Int
    /// One attempt, from its start to the response's head; 0: no limit of its own.
    public var perTryTimeout: Int64
    /// See `Conditions`.
    public var when: Conditions
    /// Single status codes; 0: none.
    public var statuses: (UInt16, UInt16, UInt16, UInt16)
    /// See `GRPCStatuses`.
    public var grpc: GRPCStatuses
    /// The first wait is a random part of this; it doubles with each attempt.
    public var backoffBase: Int64
    /// No wait is longer.
    public var backoffMax: Int64
    /// Retries at once, in percent of the cluster's requests, 0...100.
    public var budgetPercent: Int

    /// What the configuration says.
    public init(_ retry: Configuration.Retry) {
        func status(_ index: Int) -> UInt16 {
            retry.statuses.indices.contains(index) ? UInt16(clamping: retry.statuses[index]) : 0
        }
        attempts = retry.attempts
        perTryTimeout = retry.perTryTimeout?.nanoseconds ?? 0
        when = retry.when
        statuses = (status(0), status(1), status(2), status(3))
        grpc = retry.grpc
        backoffBase = retry.backoffBase.nanoseconds
        backoffMax = retry.backoffMax.nanoseconds
        budgetPercent = Int((retry.budget * 100).rounded())
    }

    /// Whether a response with this status is worth another attempt.
    public func covers(status: Int) -> Bool {
        if when.contains(.serverError), (500...599).contains(status) { return true }
        if when.contains(.gatewayError), (502...504).contains(status) { return true }
        if when.contains(.retriableClientError), status == 409 { return true }
        guard let code = UInt16(exactly: status), code != 0 else { return false }
        return statuses.0 == code || statuses.1 == code || statuses.2 == code || statuses.3 == code
    }

    /// Whether a response with this `grpc-status` is worth another attempt.
    public func covers(grpcStatus: Int) -> Bool {
        (0..<32).contains(grpcStatus) && grpc.rawValue & (1 << UInt32(grpcStatus)) != 0
    }

    /// See `Equatable`.
    public static func == (left: RetryPolicy, right: RetryPolicy) -> Bool {
        left.attempts == right.attempts && left.perTryTimeout == right.perTryTimeout && left.when == right.when
            && left.statuses == right.statuses && left.grpc == right.grpc && left.backoffBase == right.backoffBase
            && left.backoffMax == right.backoffMax && left.budgetPercent == right.budgetPercent
    }
}
