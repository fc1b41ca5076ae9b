import Foundation
import Model
import Synchronization

/// A host or a pod that is up: its namespace, addresses, and what can be run in it.
public struct Node: Sendable {
    /// `A`, `A1`, ...
    public let name: String
    /// Its IPv4 address.
    public let v4: IPAddress
    /// Its IPv6 address.
    public let v6: IPAddress
    /// Its network namespace.
    public let namespace: Namespace
    /// The lab's directory.
    public let workspace: Workspace

    private static let counter = Atomic<Int>(0)

    /// Starts a program in the namespace.
    public func start(_ arguments: [String], label: String? = nil) throws -> LabProcess {
        let count = Self.counter.add(1, ordering: .relaxed).oldValue
        let program = arguments.first?.split(separator: "/").last.map(String.init) ?? "process"
        return try LabProcess(
            ["ip", "netns", "exec", namespace.name] + arguments, directory: workspace.path,
            label: label ?? "\(name)-\(program)-\(count)")
    }

    /// Runs a program in the namespace to its end; on timeout it is killed and the call throws.
    @discardableResult
    public func run(_ arguments: [String], atMost limit: Duration = .seconds(30)) throws -> CommandResult {
        let process = try start(arguments)
        do {
            let exit = try process.wait(atMost: limit)
            let result = CommandResult(
                command: arguments.joined(separator: " "), exit: exit, output: process.output, errors: process.errors)
            try? FileManager.default.removeItem(atPath: process.outputPath)
            try? FileManager.default.removeItem(atPath: process.errorPath)
            return result
        } catch {
            process.signal(SIGKILL)
            throw LabError("\(error)\n\(process.output)\(process.errors)")
        }
    }

    /// Connects a TCP socket from here. `source` is the local address to bind, port 0 for any.
    public func connect(
        to destination: SocketAddress, from source: SocketAddress? = nil, timeout: Duration = .seconds(3)
    ) throws -> LabSocket {
        try LabSocket.connect(to: destination, in: namespace, from: source, timeout: timeout)
    }

    /// Listens on a port (0: any free one) for both families; accepted sockets take the receive buffer asked for.
    public func listen(port: UInt16 = 0, receiveBuffer: Int? = nil) throws -> LabListener {
        try LabListener(in: namespace, port: port, receiveBuffer: receiveBuffer)
    }

    /// Starts a server that greets with what it sees and echoes.
    public func echo(port: UInt16 = 8080, name: String? = nil) throws -> EchoServer {
        try EchoServer(name: name ?? self.name, listener: listen(port: port))
    }
}
