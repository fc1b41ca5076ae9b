import Foundation
import Synchronization

/// A blocking job on a thread of its own. `value()` waits for it.
public final class Background<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let finished = DispatchSemaphore(value: 0)

    /// Starts the job.
    public init(_ job: @escaping @Sendable () throws -> Value) {
        let thread = Thread { [self] in
            let outcome = Result { try job() }
            result.withLock { $0 = outcome }
            finished.signal()
        }
        thread.start()
    }

    /// Waits for the job's end, at most `limit`; what it returned or threw.
    public func value(within limit: Duration = .seconds(60)) throws -> Value {
        let seconds = Double(limit.components.seconds) + Double(limit.components.attoseconds) / 1e18
        guard finished.wait(timeout: .now() + seconds) == .success else {
            throw LabError("background job: still running after \(limit)")
        }
        finished.signal()
        guard let outcome = result.withLock({ $0 }) else { throw LabError("background job: no result") }
        return try outcome.get()
    }
}
