import Dispatch

/// Runs a test's code on a thread of its own: tests block in socket calls, and the few threads of the cooperative pool
/// are not for waiting.
public final class OwnThread: TaskExecutor {
    private let queue = DispatchQueue(label: "test")

    /// A thread for one test.
    public init() {}

    /// Puts a piece of the test at the end of the queue.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        // Sound: the queue runs it, once, while it holds this executor.
        queue.async { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
