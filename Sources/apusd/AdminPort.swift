import Admin
import Logging

/// The admin API, which opens and closes during the life of the process: the next generation takes the port over.
actor AdminPort {
    private let server: AdminServer
    private var task: Task<Void, Never>?
    private let failed: AsyncStream<any Error>.Continuation
    /// What ends the API after it has been opened.
    nonisolated let failures: AsyncStream<any Error>

    init(_ server: AdminServer) {
        self.server = server
        (failures, failed) = AsyncStream.makeStream()
    }

    /// Returns when the port is open; throws when it cannot be.
    func open() async throws {
        let (bound, told) = AsyncStream.makeStream(of: (any Error)?.self)
        let (server, failed) = (server, failed)
        task = Task {
            do {
                try await server.run { _ in told.yield(nil) }
            } catch {
                told.yield(error)
                failed.yield(error)
            }
        }
        for await error in bound {
            if let error { throw error }
            return
        }
    }

    /// Returns when the port is closed.
    func close() async {
        task?.cancel()
        await task?.value
        task = nil
    }
}
