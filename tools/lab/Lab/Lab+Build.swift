import Foundation
import Glibc

/// Building and removing: few processes, because each `ip` costs milliseconds and every test wants a lab.
extension Lab {
    static func build(_ topology: Topology, in workspace: Workspace) throws -> [String: Namespace] {
        try ip(topology.namespaces.map { "netns add \($0)" }, workspace)
        var namespaces: [String: Namespace] = [:]
        for name in topology.namespaces {
            let namespace = try Namespace(name: name)
            try namespace.set(sysctls: Topology.baseSysctls)
            removeRedirectionState(of: namespace)
            namespaces[name] = namespace
        }
        for host in topology.hosts {
            guard let namespace = namespaces[topology.namespace(of: host)] else { continue }
            try namespace.set(sysctls: Topology.hostSysctls)
            if FileManager.default.fileExists(atPath: "/proc/sys/net/bridge") {
                try namespace.set(sysctls: Topology.bridgeSysctls)
            }
        }
        for step in topology.steps {
            try ip(step.lines, workspace, namespace: step.namespace)
            try namespaces[step.namespace]?.set(sysctls: step.sysctls.sorted { $0.key < $1.key })
        }
        return namespaces
    }

    private static func ip(_ lines: [String], _ workspace: Workspace, namespace: String? = nil) throws {
        let file = try workspace.write(lines.joined(separator: "\n") + "\n", to: "ip-batch")
        let scope = namespace.map { ["-n", $0] } ?? []
        let process = try LabProcess(["ip"] + scope + ["-batch", file], directory: workspace.path, label: "ip")
        let exit = try process.wait()
        guard exit == .status(0) else {
            throw LabError(
                "ip \(scope.joined(separator: " ")): \(exit): \(process.errors)\n\(lines.joined(separator: "\n"))")
        }
    }

    /// Removes the labs whose owner is gone; their names.
    @discardableResult
    public static func sweep() -> [String] {
        let orphans = Workspace.all().filter(\.isOrphaned)
        for orphan in orphans { tearDown(orphan) }
        return orphans.map(\.name)
    }

    /// The names of every lab on this machine.
    public static var names: [String] { Workspace.all().map(\.name) }

    /// Removes a lab by name, whoever made it.
    public static func down(name: String) throws(LabError) {
        guard names.contains(name) else { throw LabError("lab \(name): there is none; there are: \(names)") }
        tearDown(Workspace(name: name))
    }

    /// Works from the names alone, so that half-built and abandoned labs go as well. Failures are ignored: another
    /// process may remove the same lab at the same time.
    static func tearDown(_ workspace: Workspace) {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: Namespace.directory)) ?? []
        let names = all.filter { $0.hasPrefix(workspace.name + "-") }
        let namespaces = names.compactMap { try? Namespace(name: $0) }
        endProcesses(in: namespaces)
        for namespace in namespaces { removeRedirectionState(of: namespace) }
        if !names.isEmpty { try? ip(names.map { "netns delete \($0)" }, workspace) }
        workspace.remove()
    }

    /// Kills what runs in the lab's namespaces and waits until it is gone.
    private static func endProcesses(in namespaces: [Namespace]) {
        let deadline = ContinuousClock.now + .seconds(5)
        while ContinuousClock.now < deadline {
            let running = namespaces.flatMap { $0.processes() }.filter { !isZombie($0) }
            guard !running.isEmpty else { return }
            for pid in running { kill(pid, SIGKILL) }
            usleep(5_000)
        }
    }

    /// A dead child of this process stays until it is reaped, which is its `LabProcess`'s business.
    private static func isZombie(_ pid: Int32) -> Bool {
        let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        guard let end = stat.lastIndex(of: ")") else { return true }
        return stat[end...].hasPrefix(") Z")
    }

    /// `apusctl redirect` keeps its state by namespace inode, and inodes are used again by the next lab.
    private static func removeRedirectionState(of namespace: Namespace) {
        try? FileManager.default.removeItem(atPath: "/run/apus/\(namespace.inode)")
    }
}
