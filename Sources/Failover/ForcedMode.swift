/// What an operator has decided over the guard's head.
public enum ForcedMode: String, Sendable, Codable, CaseIterable {
    /// The guard decides.
    case auto
    /// New connections are the local proxy's, however it fares. It is not killed either.
    case local
    /// New connections follow `failover.policy` as if the local proxy hung. It is not killed.
    case remote
}
