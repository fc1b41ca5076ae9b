import Synchronization

/// Carries something that has one owner to where only copyable things go, such as a message: taken once; ended with the
/// parcel if nobody takes it.
public final class Parcel<Content: ~Copyable & Sendable>: Sendable {
    private let content: Mutex<Content?>

    /// Wraps it.
    public init(_ content: consuming Content) { self.content = Mutex(content) }

    /// Takes it out; nil the second time.
    public func take() -> Content? {
        content.withLock { content in
            var taken: Content?
            swap(&content, &taken)
            return taken
        }
    }

    /// Looks at it while it stays inside; nil when it has been taken.
    public func inspect<Result>(_ body: (borrowing Content) -> Result) -> Result? {
        content.withLock { content in
            switch content {
            case .some(let content): body(content)
            case .none: nil
            }
        }
    }
}
