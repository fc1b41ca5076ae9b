import Interception
import Model

/// Reads and writes the host's rules for the guard. `HostRules` does it for real.
public protocol RuleKeeper: Sendable {
    /// What is installed; nil: nothing is, and nothing is to be: installing is an operator's decision.
    func inForce() async throws -> RulesInForce?
    /// Leads new connections as `state` says, in one transaction and as fast as can be. Nothing else is looked at.
    func apply(_ state: FailoverState, _ configuration: Configuration) async throws
    /// Compares everything with what it should be and repairs what can be repaired.
    func repair(_ configuration: Configuration) async throws -> RuleRepair
    /// What of the host is ours.
    func landmarks(_ configuration: Configuration) -> Landmarks
    /// What an operator has forced, over restarts of the guard.
    func loadForced() -> ForcedMode
    /// See `loadForced`.
    func save(_ forced: ForcedMode) throws
}

/// What an installation says of itself.
public struct RulesInForce: Sendable, Equatable {
    /// What new connections meet.
    public var state: FailoverState
    /// Whether the rules lead past a proxy that does not listen by themselves.
    public var fallsThrough: Bool
    /// Whether a change of them can only be found by looking: netlink does not tell.
    public var mustBePolled: Bool

    /// What is in force.
    public init(state: FailoverState, fallsThrough: Bool, mustBePolled: Bool) {
        self.state = state
        self.fallsThrough = fallsThrough
        self.mustBePolled = mustBePolled
    }
}

/// What a look at the rules has come to.
public struct RuleRepair: Sendable, Equatable {
    /// What was done, in words.
    public var steps: [String]
    /// What others have that stands in the way.
    public var conflicts: [String]

    /// An outcome.
    public init(steps: [String], conflicts: [String]) {
        self.steps = steps
        self.conflicts = conflicts
    }
}

/// What the guard's thread has to know of the rules.
public struct Landmarks: Sendable, Equatable {
    /// How each remote is reached by itself.
    public var paths: [RemotePath]
    /// Own routing tables.
    public var tables: Set<Int>
    /// The local proxy's admin API; nil: it cannot be asked.
    public var admin: SocketAddress?

    /// What is ours.
    public init(paths: [RemotePath] = [], tables: Set<Int> = [], admin: SocketAddress? = nil) {
        self.paths = paths
        self.tables = tables
        self.admin = admin
    }
}
