import Model

/// A rule as workers see it, once it has matched. Times are nanoseconds.
public struct RuleRecord: Sendable, BitwiseCopyable {
    /// What a rule does with a request.
    public enum Action: Sendable, BitwiseCopyable, Equatable {
        /// To one of its targets.
        case forward
        /// Answered with this status and `RouteView.directBody`.
        case respond(status: Int)
        /// Answered with this status and `RouteView.redirectLocation`.
        case redirect(status: Int)
    }

    /// For counters and `SharedState.routeRequests`.
    public internal(set) var slot: Int
    /// See `Action`.
    public internal(set) var action = Action.forward
    /// From the request's head to the response's end; 0: none.
    public internal(set) var timeout: Int64 = 0
    /// nil: none.
    public internal(set) var retry: RetryPolicy?
    /// Also requests whose method is not idempotent are sent again.
    public internal(set) var retryNonIdempotent = false
    /// In `Snapshot.filters`; they come after those of the listener.
    public internal(set) var filters: IndexRange
    /// Whether `RouteView.rewriteRequest` and `rewriteResponse` change anything.
    public internal(set) var hasRequestEdits = false, hasResponseEdits = false
    /// Whether it has mirrors: see `RouteView.mirrors`.
    public var hasMirrors: Bool { !mirrors.isEmpty }
    /// Made for a listener without a route table.
    public internal(set) var isImplicit = false

    var targets: IndexRange
    /// Sum over `targets`.
    var weights: UInt64 = 0
    var mirrors: IndexRange
    var hashKey = HashKey.none
    /// The header's or cookie's name.
    var hashName = IndexRange.empty
    var requestEdits = IndexRange.empty
    var responseEdits = IndexRange.empty
    var path = PathEdit()
    /// The other host, of a rewrite or a redirect.
    var host = IndexRange.empty
    /// The scheme of a redirect.
    var scheme = IndexRange.empty
    /// The body of a response.
    var body = IndexRange.empty

    enum HashKey: UInt8, BitwiseCopyable { case none, header, cookie, sourceAddress, path }
}

/// What becomes of a path: so many of its bytes are replaced by a text.
struct PathEdit: Sendable, BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable { case none, prefix, whole }
    var kind = Kind.none
    /// Bytes of the prefix that the rule matched, and whether the last of them is a slash.
    var matchedBytes: UInt32 = 0
    var matchedSlash = false
    var text = IndexRange.empty
}

/// Where a request goes.
public struct ClusterTarget: Sendable, BitwiseCopyable, Equatable {
    /// Index into `Snapshot.clusters`; -1: none, which validation does not let happen.
    public let cluster: Int
    /// Index into `Snapshot.subsets`; -1: all endpoints.
    public let subset: Int32

    /// A target.
    public init(cluster: Int, subset: Int32) {
        self.cluster = cluster
        self.subset = subset
    }
}

extension IndexRange {
    static let empty = IndexRange(0..<0)
}
