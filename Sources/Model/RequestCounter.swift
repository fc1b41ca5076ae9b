/// Columns of the request counters of a cluster, route, pod or listener: these, then the sum of durations, a column for
/// each `RequestFlag` and each gRPC status, and (not for listeners) one for each bucket of a `LatencyHistogram`.
public enum RequestCounter: Int, CaseIterable, Sendable {
    /// Requests by the class of the status that the client got; `none`: the connection ended before.
    case statusNone, status1xx, status2xx, status3xx, status4xx, status5xx
    /// Attempts after the first; attempts that ended because a time was over.
    case retries, timeouts
    /// Body bytes. Of a pod: what it sent and received, whether it was client or server.
    case bytesSent, bytesReceived
    /// The sum of durations, nanoseconds.
    case durationNanoseconds

    // Constants instead of `allCases.count`, which the data path would compute at each request; a test compares them.
    /// The column of the first flag.
    static var firstFlag: Int { 11 }
    /// The column of calls with the gRPC status 0.
    static var firstCallStatus: Int { firstFlag + 32 }
    /// The column of the histogram's first bucket.
    static var firstBucket: Int { firstCallStatus + 17 }
    /// Columns in a block without a histogram.
    static var widthWithoutHistogram: Int { firstBucket }
    /// Columns in a block.
    public static var width: Int { firstBucket + LatencyHistogram.bucketCount }

    /// The columns with a class, none to 5xx.
    public static let classes: [RequestCounter] = [
        .statusNone, .status1xx, .status2xx, .status3xx, .status4xx, .status5xx,
    ]

    /// The metric label of a class: `none`, `2xx`.
    public var classLabel: String {
        switch self {
        case .status1xx: "1xx"
        case .status2xx: "2xx"
        case .status3xx: "3xx"
        case .status4xx: "4xx"
        case .status5xx: "5xx"
        default: "none"
        }
    }

    /// The column that counts requests with this flag.
    public static func column(_ flag: RequestFlag) -> Int { firstFlag + Int(flag.rawValue) }

    /// The column that counts calls with this gRPC status, 0 to 16.
    public static func column(callStatus status: Int) -> Int { firstCallStatus + status }

    /// gRPC statuses by number: `unavailable` is 14.
    public static let callStatusLabels = [
        "ok", "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists",
        "permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range", "unimplemented",
        "internal", "unavailable", "data_loss", "unauthenticated",
    ]

    /// The column that counts durations of this bucket.
    public static func column(bucket: Int) -> Int { firstBucket + bucket }

    /// The column of a status's class.
    static func column(status: UInt16) -> Int {
        // Compares instead of a division; most are the first.
        switch status {
        case 200..<300: status2xx.rawValue
        case 300..<400: status3xx.rawValue
        case 400..<500: status4xx.rawValue
        case 500...: status5xx.rawValue
        case 100..<200: status1xx.rawValue
        default: statusNone.rawValue
        }
    }

    /// What columns are called between processes: flags and buckets by what they mean, not by their place.
    static let names: [String] =
        allCases.map { "\($0)" } + RequestFlag.allCases.map { "flag \($0.label)" }
        + callStatusLabels.map { "grpc \($0)" }
        + (0..<LatencyHistogram.bucketCount).map { bucket in
            LatencyHistogram.upperBound(bucket).map { "\($0) ns" } ?? "more"
        }
}

/// Slots of `WorkerStatistics.requestsByPod`: two for each pod, for requests it sent and those it received, and one for
/// requests that no pod of this host takes part in.
public enum PodRequests {
    /// Requests the pod sent.
    public static func sent(_ pod: Int) -> Int { pod &<< 1 }
    /// Requests the pod received.
    public static func received(_ pod: Int) -> Int { pod &<< 1 | 1 }
    /// Requests through explicit listeners, to and from elsewhere.
    public static var podless: Int { SlotLimits.pods << 1 }
    /// One past the highest slot.
    static var capacity: Int { podless + 1 }
}
