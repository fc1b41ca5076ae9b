import Admin
import Dispatch
import Glibc
import HandOver
import Logging
import Proxy
import UnixSignals

extension Node {
    /// Why the process ends.
    private enum End: Sendable {
        /// A signal says so.
        case terminated
        /// The next generation has everything.
        case succeeded
        /// The process that was to be taken over serves on.
        case oneTooMany
    }

    /// The process that was to be taken over serves on.
    struct PredecessorServesOn: Error, CustomStringConvertible {
        let description = "the apusd that was to be taken over serves on: this one has ended its connections and exits"
    }

    /// Takes over, obeys signals and hands over until the process is done.
    func liveOn(
        _ signals: UnixSignalsSequence, _ parts: Parts, _ succession: Succession, _ claims: [Claim]
    ) async throws {
        let (ends, end) = AsyncStream.makeStream(of: End.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await obey(signals, parts) { end.yield(.terminated) } }
            group.addTask {
                do {
                    try await succeed(parts, succession, claims) { end.yield($0) }
                } catch {
                    logger.error("no hand-over is possible, serving on: \(error)")
                }
            }
            defer { group.cancelAll() }
            for await reason in ends { return try await finish(parts, succession, reason) }
        }
    }

    private func obey(
        _ signals: UnixSignalsSequence, _ parts: Parts, _ terminate: @Sendable () -> Void
    ) async {
        var isTerminating = false
        for await signal in signals {
            if signal == .sighup {
                await reload(parts.accessLog)
            } else if isTerminating {
                exitAtOnce(parts.server)
            } else {
                isTerminating = true
                terminate()
            }
        }
    }

    /// Takes over from the generation before, then waits for the one after.
    private func succeed(
        _ parts: Parts, _ succession: Succession, _ claims: [Claim], _ end: @escaping @Sendable (End) -> Void
    ) async throws {
        switch try await succession.takeConnections(parts.server) {
        case nil: break
        case .complete(let count, let reset):
            logger.info("taken over", metadata: ["connections": "\(count)", "reset": "\(reset)"])
        case .predecessorGone: logger.warning("the process taken over is gone: connections it still had are lost")
        case .predecessorServesOn: return end(.oneTooMany)
        }
        try giver(parts, claims) { end(.succeeded) }.start()
    }

    private func giver(_ parts: Parts, _ claims: [Claim], _ isDone: @escaping @Sendable () -> Void) -> Giver {
        let (admin, logger) = (parts.admin, logger)
        return Giver(
            parts.server, claims: claims, version: BuildVersion.text,
            hooks: Giver.Hooks(
                isSucceeded: {
                    let closed = DispatchSemaphore(value: 0)
                    Task {
                        await admin.close()
                        closed.signal()
                    }
                    closed.wait()
                },
                isAlone: {
                    Task {
                        await admin.reopen(logger)
                    }
                },
                isDone: isDone, log: { logger.info("\($0)") }))
    }

    private func reload(_ accessLog: AccessLogWriter) async {
        logger.info("SIGHUP: reading the configuration again, reopening the access log")
        accessLog.reopen()
        await source.reload()
    }

    private func finish(_ parts: Parts, _ succession: Succession, _ reason: End) async throws {
        let server = parts.server
        switch reason {
        case .terminated:
            succession.stop()
            await drain(server)
        case .succeeded: await stop(server, within: .zero)
        case .oneTooMany:
            // New connections and questions are the other process's again, from this moment on.
            await parts.admin.close()
            server.leaveListeners()
            await drain(server)
            throw PredecessorServesOn()
        }
    }

    private func drain(_ server: ProxyServer) async {
        let timeout = server.snapshot?.configuration.drainTimeout ?? .seconds(30)
        logger.info(
            "draining: no new connections; a second signal exits at once",
            metadata: ["connections": "\(server.connectionCount)", "drainTimeout": "\(timeout)"])
        await stop(server, within: timeout)
    }

    private func stop(_ server: ProxyServer, within timeout: Duration) async {
        let left = await server.stop(within: timeout)
        logger.info("stopped", metadata: ["connectionsReset": "\(left)"])
    }

    private func exitAtOnce(_ server: ProxyServer) -> Never {
        logger.warning("second signal: exiting at once", metadata: ["connections": "\(server.connectionCount)"])
        exit(0)
    }
}
