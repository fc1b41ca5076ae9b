/// When a request that has failed is tried again, and how often: `retry` of a route, as plain bits. Times are
/// nanoseconds. What may be sent twice at all (idempotent methods, bodies that are still at hand) is the exchange's
/// knowledge, not the policy's.
public struct RetryPolicy: Sendable, BitwiseCopyable, Equatable {
    /// Attempts after the first one; 0: none.
    public var attempts: Int
    /// How long one attempt may wait for the head of the response; 0: as long as the request's own timeout allows.
    public var perTryTimeout: Int64
    /// Failures that are tried again.
    public var when: Condition
    /// Further statuses that are tried again; see `insert(status:)`. Unused places are 0.
    public private(set) var statuses: SIMD4<UInt16> = SIMD4(repeating: 0)
    /// gRPC statuses that are tried again: bit N for status N (1...16).
    public var grpc: UInt32
    /// The pause before attempt N is drawn from 0..<min(base x 2^(N-1), max).
    public var backoffBase: Int64
    /// See `backoffBase`.
    public var backoffMax: Int64
    /// Retries under way at most, as a share (0...100) of the cluster's requests under way; see `RetryBudget`.
    public var budgetPercent: Int

    /// Kinds of failure.
    public struct Condition: OptionSet, Sendable, BitwiseCopyable, Hashable {
        /// The bits.
        public let rawValue: UInt8

        /// From bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// No connection came about.
        public static let connectFailure = Condition(rawValue: 1)
        /// The connection broke, or an attempt took too long, before the response's head.
        public static let reset = Condition(rawValue: 2)
        /// The server says that it has not looked at the request (HTTP/2 REFUSED_STREAM, GOAWAY).
        public static let refusedStream = Condition(rawValue: 4)
        /// Any status from 500 to 599.
        public static let serverError = Condition(rawValue: 8)

        /// By the names of the configuration; `5xx` is `serverError`. Statuses are written as numbers.
        public static let names: [(name: String, condition: Condition)] = [
            ("connectFailure", .connectFailure), ("reset", .reset), ("refusedStream", .refusedStream),
            ("5xx", .serverError),
        ]
    }

    /// The names of gRPC statuses in the configuration, with their numbers.
    public static let grpcNames: [(name: String, status: Int)] = [
        ("cancelled", 1), ("unknown", 2), ("deadlineExceeded", 4), ("resourceExhausted", 8), ("aborted", 10),
        ("internal", 13), ("unavailable", 14),
    ]

    /// How many single statuses a policy can name.
    public static let statusesMax = 4

    /// A policy with the documented defaults.
    public init(
        attempts: Int = 1, perTryTimeout: Int64 = 0,
        when: Condition = [.connectFailure, .reset, .refusedStream], grpc: UInt32 = 0,
        backoffBase: Int64 = 25_000_000, backoffMax: Int64 = 250_000_000, budgetPercent: Int = 20
    ) {
        self.attempts = attempts
        self.perTryTimeout = perTryTimeout
        self.when = when
        self.grpc = grpc
        self.backoffBase = backoffBase
        self.backoffMax = backoffMax
        self.budgetPercent = budgetPercent
    }

    /// Adds a status (100...599). False when it has no room for one more.
    @discardableResult
    public mutating func insert(status: Int) -> Bool {
        guard let status = UInt16(exactly: status), !contains(status: status) else { return true }
        for place in 0..<Self.statusesMax where statuses[place] == 0 {
            statuses[place] = status
            return true
        }
        return false
    }

    /// Whether a response with this status is tried again.
    public func retries(status: Int) -> Bool {
        if (500...599).contains(status), when.contains(.serverError) { return true }
        return UInt16(exactly: status).map(contains(status:)) ?? false
    }

    /// Whether a response with this gRPC status is tried again.
    public func retries(grpcStatus status: Int) -> Bool {
        (1...16).contains(status) && grpc & (1 << UInt32(status)) != 0
    }

    private func contains(status: UInt16) -> Bool { status != 0 && any(statuses .== SIMD4(repeating: status)) }
}
