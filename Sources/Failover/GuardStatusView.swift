import Model

/// The answer of `GET /status`: what `apusctl failover status` shows.
public struct GuardStatusView: Codable, Sendable, Equatable {
    /// Of the program.
    public var version: String
    /// The host.
    public var node: String
    /// `auto`, or what an operator has forced.
    public var forced: ForcedMode
    /// The node's answers, in order of preference.
    public var policy: [String]
    /// What new connections meet now: `local`, `remote`, `direct`, `drop`.
    public var path: String
    /// This host's proxy.
    public var local: Local
    /// Those that stand in for it.
    public var remotes: [Remote]
    /// The rules.
    public var rules: Rules
    /// Newest first.
    public var events: [Event]

    /// The local proxy.
    public struct Local: Codable, Sendable, Equatable {
        /// See `LocalProxy.State`.
        public var state: LocalProxy.State
        /// How long it has been so.
        public var milliseconds: Int64
        /// Whether the rules lead past it though it may listen.
        public var isTaken: Bool
        /// Processes that listen.
        public var processes: [Int32]
        /// Workers that the guard has found.
        public var workers: [Int]
        /// From SYN to answer, of the latest probe.
        public var latestAnswerMilliseconds: Double?
        /// Failures in a row of the running series.
        public var failures: Int
        /// How long it is still left alone though it serves.
        public var backOffMilliseconds: Int64
    }

    /// A remote.
    public struct Remote: Codable, Sendable, Equatable {
        /// Its name.
        public var name: String
        /// Its address.
        public var address: String
        /// nil: not asked yet.
        public var isHealthy: Bool?
        /// How long it has been so.
        public var milliseconds: Int64
    }

    /// The rules.
    public struct Rules: Codable, Sendable, Equatable {
        /// Whether they are as desired, as far as the guard knows.
        public var areAsDesired: Bool
        /// Repairs of what others have changed.
        public var repairs: Int
        /// Why they cannot be made so.
        public var problem: String?
        /// What others have that stands in their way; the rest is kept.
        public var conflicts: [String]
    }

    /// Something that happened.
    public struct Event: Codable, Sendable, Equatable {
        /// RFC 3339.
        public var time: String
        /// What.
        public var text: String
    }
}

/// The answer of `POST /drill`.
public struct DrillView: Codable, Sendable, Equatable {
    /// Whether the fallback did what the policy promises.
    public var succeeded: Bool
    /// Whose connections were led past the local proxy.
    public var pod: String
    /// What the policy answered: `remote`, `direct`, `drop`.
    public var answer: String
    /// One line for each connection: what was dialled, what came of it, how long it took.
    public var connections: [Connection]
    /// What went wrong, or what was not proved.
    public var notes: [String]

    /// A connection of the drill.
    public struct Connection: Codable, Sendable, Equatable {
        /// Where to.
        public var destination: String
        /// `answered`, `connected`, `refused`, `no answer`.
        public var outcome: String
        /// Until then.
        public var milliseconds: Double
        /// Whether this is what the answer promises.
        public var isExpected: Bool
    }
}
