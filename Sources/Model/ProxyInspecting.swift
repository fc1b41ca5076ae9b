/// What the admin side may ask of the running proxy. Implemented by `Proxy`, used by `Admin`, so that neither imports
/// the other.
public protocol ProxyInspecting: Sendable {
    /// The newest snapshot; nil before the first.
    var snapshot: Snapshot? { get }
    /// Counters of each worker, in worker order.
    var workerStatistics: [WorkerStatistics] { get }
    /// Process-wide counts and verdicts.
    var shared: SharedState { get }
    /// What slots are called.
    var names: SlotNames { get }
    /// Pod x cluster series: pair slot to (pod slot, cluster slot).
    var pairSeries: [PairSeries] { get }
    /// What peers of HTTP/2 connections have broken so far; no zeros.
    var http2Violations: [HTTP2ViolationCount] { get }
    /// Sockets that listen now.
    var listeners: [ListenerView] { get }
    /// Whether it accepts: every listener is bound and no drain has begun.
    var phase: ProxyPhase { get }
    /// Live connections of all workers, at most `limit`. A worker that does not answer within a second is left out and
    /// named in `missingWorkers`.
    func connections(limit: Int) async -> ConnectionList
    /// What each worker remembers of a destination, where `protocol: auto` looks; a worker that knows nothing, or does
    /// not answer within a second, is left out.
    func learned(of destination: SocketAddress) async -> [LearnedProtocol]
    /// Stops accepting; live connections go on. Does not end the process.
    func drain()
}

/// Where the proxy is in its life.
public enum ProxyPhase: String, Sendable {
    /// Not listening yet.
    case starting
    /// Listening.
    case serving
    /// It is going to drain, and says so to hosts that it stands in for: until they have gone elsewhere it accepts.
    case leaving
    /// No longer accepting; live connections finish.
    case draining
    /// All connections gone, or `drainTimeout` over.
    case stopped
}

/// One pod x cluster series.
public struct PairSeries: Sendable, Equatable {
    /// Column in `WorkerStatistics.pairs`.
    public let slot: Int
    /// Slots of the two; nil: the series `other`, which takes what is past `statistics.seriesMax`.
    public let pod, cluster: Int?

    /// A series.
    public init(slot: Int, pod: Int?, cluster: Int?) {
        self.slot = slot
        self.pod = pod
        self.cluster = cluster
    }
}

/// A socket that listens.
public struct ListenerView: Sendable, Equatable {
    /// The listener's name; `outbound` and `inbound` for the interception ones.
    public let name: String
    /// The bound address, with the port the kernel picked where 0 was asked for.
    public let address: SocketAddress
    /// How many workers listen on it.
    public let workers: Int
    /// Slot of its counters.
    public let slot: Int

    /// A listening socket.
    public init(name: String, address: SocketAddress, workers: Int, slot: Int) {
        self.name = name
        self.address = address
        self.workers = workers
        self.slot = slot
    }
}

/// A live connection, for `GET /connections`.
public struct ConnectionView: Sendable {
    /// Where it is in its life.
    public enum State: String, Sendable {
        /// The upstream's handshake is not done.
        case connecting
        /// Its first bytes are awaited: they decide what becomes of it.
        case detecting
        /// Bytes flow both ways.
        case open
        /// One side has sent FIN, the other has not.
        case halfClosed
    }
    /// What the log line will say, as of now.
    public let record: ConnectionRecord
    /// See `State`.
    public let state: State
    /// Since the last byte either way.
    public let idleNanoseconds: Int64
    /// Bytes held because a reader is slow.
    public let bufferedBytes: Int

    /// A live connection.
    public init(record: ConnectionRecord, state: State, idleNanoseconds: Int64, bufferedBytes: Int) {
        self.record = record
        self.state = state
        self.idleNanoseconds = idleNanoseconds
        self.bufferedBytes = bufferedBytes
    }
}

/// The answer to `connections(limit:)`.
public struct ConnectionList: Sendable {
    /// The connections, unordered.
    public var connections: [ConnectionView]
    /// Workers that did not answer in time.
    public var missingWorkers: [Int]
    /// Whether there are more than were asked for.
    public var truncated: Bool

    /// A list.
    public init(connections: [ConnectionView] = [], missingWorkers: [Int] = [], truncated: Bool = false) {
        self.connections = connections
        self.missingWorkers = missingWorkers
        self.truncated = truncated
    }
}
