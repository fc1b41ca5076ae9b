import Logging
import Model

/// What the guard's thread tells the rest of the guard, in order.
enum GuardEvent: Sendable {
    /// The rules are to do this.
    case desired(DesiredState)
    /// Somebody has changed rules of ours, or may have.
    case rulesChanged
    /// The synthetic pod is gone or of no use.
    case podLost
    /// Who listens is not known, or not any more.
    case listenersUnknown
    /// For the log.
    case note(Logger.Level, String, Logger.Metadata)
}
