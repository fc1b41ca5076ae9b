import Synchronization
import Syscalls

/// Messages from any thread to one worker: a queue and a wake-up. The worker looks only when woken.
public final class Mailbox<Message: Sendable>: Sendable {
    private let queue = Mutex<[Message]>([])
    /// For registration with the worker's poller.
    public let wakeup: EventCounter

    /// An empty mailbox.
    public init() throws(Errno) { wakeup = try EventCounter() }

    /// Leaves a message. Never blocks for long: the lock is held for an append.
    public func send(_ message: Message) {
        let wasEmpty = queue.withLock { queue in
            queue.append(message)
            return queue.count == 1
        }
        if wasEmpty { wakeup.signal() }
    }

    /// Takes all messages, oldest first. The worker only.
    public func takeAll() -> [Message] {
        // Cleared before the queue is emptied: a message that comes in between signals again.
        wakeup.clear()
        return queue.withLock { queue in
            defer { queue = [] }
            return queue
        }
    }
}
