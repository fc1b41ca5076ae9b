import Model

/// What a connection from one place to another would meet, and why. A pure function of a snapshot and the health and
/// connection counts of the moment; nothing is sent.
///
/// It follows the data plane's order: which leg takes the connection, the pod's table, the cluster, its endpoints, the
/// receiving pod's table, the source address, the limits. What only the kernel knows (addresses of the host, NAT of
/// others) is named in `notes`.
public struct Explanation: Codable, Sendable, Equatable {
    /// One end of the connection.
    public struct Party: Codable, Sendable, Equatable {
        /// `10.1.0.2`, or `10.96.0.1:80`.
        public var address: String
        /// The local pod that has the address; absent: none of this host's.
        public var pod: String?
        /// Why it is (or is not) that pod.
        public var why: String
    }

    /// A table that was searched.
    public struct Table: Codable, Sendable, Equatable {
        /// `outbound of pod shop/cart`, `inbound of podDefaults`, ...
        public var table: String
        /// Position of the entry that matched, from 0; absent: none did.
        public var entry: Int?
        /// The entry's match in words.
        public var match: String?
        /// `passthrough`, `deny`, `cluster NAME` or `http routes TABLE`.
        public var action: String
    }

    /// An endpoint that the connection may go to.
    public struct Endpoint: Codable, Sendable, Equatable {
        /// Where it listens.
        public var address: String
        /// Relative share of traffic.
        public var weight: Int
        /// `healthy`, `unhealthy`, `unchecked`, or `unknown` without a running proxy.
        public var health: String
        /// Whether it is picked at all.
        public var eligible: Bool
        /// The local pod it is.
        public var pod: String?
        /// The receiving pod's inbound table, if it is a local pod.
        public var inbound: Table?
        /// Of which cluster, where there are several.
        public var cluster: String?
        /// The way through the receiving pod's routes, where its entry is HTTP.
        public var request: Request?
        /// The address the upstream connection comes from, and why.
        public var source: String
    }

    /// A limit that counts here.
    public struct Limit: Codable, Sendable, Equatable {
        /// `connections of pod shop/cart`, ...
        public var name: String
        /// Used now (absent without a running proxy), and the limit.
        public var used: Int?, max: Int
    }

    /// What comes of it.
    public enum Outcome: String, Codable, Sendable {
        /// To an endpoint.
        case forwarded
        /// The connection is reset.
        case reset
        /// The request is answered by the proxy.
        case answered
        /// The proxy never sees it.
        case notIntercepted
    }

    /// Where first bytes decide (`protocol: auto`).
    public struct Detection: Codable, Sendable, Equatable {
        /// What was spoken at this destination last, as the log has it, and how many seconds ago; absent: not known.
        public var learned: String?, ageSeconds: Int?
        /// What a client that stays silent meets.
        public var silence: String
    }

    /// Which way it comes in: `outbound`, `inbound`, `listener NAME`, or `none`.
    public var leg: String
    /// The two ends.
    public var from: Party, to: Party
    /// The table of the leg; absent for explicit listeners and what is not intercepted.
    public var table: Table?
    /// What was learned of the destination; absent where nothing is detected.
    public var detection: Detection?
    /// The way through the routes; absent where bytes are passed on as they are.
    public var request: Request?
    /// The cluster (several, where a route has weights); absent when none is met.
    public var cluster: String?
    /// How an endpoint is picked; absent where there is only the original destination.
    public var loadBalancer: String?
    /// Endpoints, in the order of the configuration.
    public var endpoints: [Endpoint]
    /// Limits that apply.
    public var limits: [Limit]
    /// See `Outcome`.
    public var outcome: Outcome
    /// The outcome in words.
    public var verdict: String
    /// What cannot be known from the configuration alone.
    public var notes: [String]

    /// A question that makes no sense: `from: ...` or `to: ...`, and what was expected.
    public struct BadQuestion: Error, CustomStringConvertible, Equatable {
        /// The text.
        public let description: String
    }
}

extension Explanation {
    /// Explains a connection from a pod (its name) or an address to `to`, an `IP:PORT` or `[IPv6]:PORT`.
    ///
    /// - Parameters:
    ///   - request: what is sent, where HTTP is spoken; nil: a GET of `/`.
    ///   - shared: counts and health of the running proxy; nil: there is none.
    ///   - learned: what its workers remember of the destination.
    public init(
        from: String, to: String, request: RequestQuestion? = nil, snapshot: Snapshot, shared: SharedState?,
        learned: [LearnedProtocol] = []
    ) throws(BadQuestion) {
        guard let destination = SocketAddress(to), destination.port != 0 else {
            throw BadQuestion(description: "to: \(to): expected IP:PORT or [IPv6]:PORT")
        }
        let source = try Explainer.source(from, destination: destination.address, snapshot)
        let explainer = Explainer(
            snapshot: snapshot, shared: shared, source: source,
            host: Explainer.host(source, destination: destination.address, snapshot), destination: destination,
            learned: learned, isAboutARequest: request != nil,
            walk: try Explainer.walk(request, to: destination, snapshot))
        self = explainer.explanation()
    }
}
