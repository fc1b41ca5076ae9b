import Admin
import Logging
import Synchronization

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
        let isBound = Atomic<Bool>(false)
        task = Task {
            do {
                try await server.run { _ in
                    isBound.store(true, ordering: .relaxed)
                    told.yield(nil)
                }
            } catch {
                told.yield(error)
                if isBound.load(ordering: .relaxed) { failed.yield(error) }
            }
        }
        for await error in bound {
            if let error { throw error }
            return
        }
    }

    /// Opens the port again, however long it takes: connections do not depend on it.
    func reopen(_ logger: Logger) async {
        while !Task.isCancelled {
            do { return try await open() } catch { logger.error("\(error): trying again") }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// Returns when the port is closed.
    func close() async {
        task?.cancel()
        await task?.value
        task = nil
    }
}
