import Testing

/// Who may import whom. The table is ARCHITECTURE.md's; a new line here is a decision, not a repair.
struct ImportTests {
    /// What comes with the toolchain and may be used anywhere but on the data path.
    private static let toolchain: Set<String> = [
        "Foundation", "FoundationEssentials", "Dispatch", "Glibc", "Musl", "Synchronization",
    ]
    private static let dataPath: Set<String> = [
        "Buffers", "EventLoop", "HTTP", "Model", "Patterns", "Proxy", "Routing", "Syscalls", "Upstream",
    ]

    private static let allowed: [String: Set<String>] = [
        "Sources/Model": [],
        "Sources/Buffers": [],
        "Sources/HTTP": ["Buffers", "CLanes"],
        "Sources/HTTP/HPACK": ["Buffers"],
        "Sources/HTTP/HTTP2": ["Buffers"],
        "Sources/Syscalls": ["CLinux", "Model", "Glibc"],
        "Sources/EventLoop": ["Model", "Syscalls", "Buffers"],
        "Sources/Upstream": ["Model"],
        "Sources/Proxy": ["Buffers", "EventLoop", "HTTP", "Model", "Patterns", "Routing", "Syscalls", "Upstream"],
        "Sources/Proxy/HTTP": ["Buffers", "EventLoop", "HTTP", "Model", "Patterns", "Routing", "Syscalls", "Upstream"],
        "Sources/HandOver": ["Model", "Proxy", "Syscalls"],
        "Sources/Patterns": ["CPCRE2"],
        "Sources/Routing": ["Buffers", "HTTP", "Model", "Patterns"],
        "Sources/DNS": ["CCares", "Model"],
        "Sources/Control": ["DNS", "Model", "Patterns", "Yams"],
        "Sources/Interception": ["Model", "Syscalls", "Subprocess"],
        "Sources/Failover": ["Admin", "Interception", "Model", "Syscalls", "Logging"],
        "Sources/apus-guard": ["Admin", "Control", "Failover", "Model", "ArgumentParser", "Logging", "UnixSignals"],
        "Sources/Admin": [
            "Buffers", "HTTP", "Model", "Patterns", "Routing", "Logging", "NIOCore", "NIOHTTP1", "NIOPosix",
            "SystemPackage",
        ],
        "Sources/apusd": [
            "Admin", "Control", "HandOver", "Model", "Proxy", "Syscalls", "ArgumentParser", "Logging", "UnixSignals",
        ],
        "Sources/apusctl": [
            "Admin", "Control", "Failover", "Interception", "Model", "ArgumentParser", "NIOCore", "NIOHTTP1",
            "NIOPosix",
        ],
        "tools/lab/Lab": ["CLab", "Model"],
        "tools/lab/apus-lab": ["Lab", "Model", "ArgumentParser"],
        "tools/bench/churn": ["Model", "Proxy"],
        "tools/bench/codec": ["Buffers", "HTTP"],
        "tools/bench/routes": ["HTTP", "Model", "Patterns", "Routing"],
        "tools/bench/relay": ["Model", "Proxy"],
        "tools/fuzz/config": ["Control", "Model"],
        "tools/fuzz/hpack": ["HTTPChecks"],
        "tools/fuzz/http1": ["HTTPChecks"],
        "tools/fuzz/http2": ["HTTPChecks"],
        "tools/fuzz/handover": ["HandOver", "Model", "Proxy", "Syscalls"],
    ]

    @Test func modulesImportWhatTheArchitectureAllows() throws {
        for file in Project.files(ending: ".swift") where !file.path.hasPrefix("Tests/") && file.path.contains("/") {
            let allowed = try #require(Self.allowed[file.folder], "\(file.path): its module has no line in ImportTests")
            let module = String(file.folder.split(separator: "/").last ?? "")
            let common: Set<String> = Self.dataPath.contains(module) ? ["Synchronization"] : Self.toolchain
            for name in Self.imports(file) where !allowed.contains(name) && !common.contains(name) {
                Issue.record("\(file.path): import \(name): \(module) may import \(allowed.union(common).sorted())")
            }
        }
    }

    @Test func theTableHasNoLineForAModuleThatIsGone() {
        for folder in Self.allowed.keys { #expect(Project.exists(folder), "\(folder): not there") }
    }

    private static func imports(_ file: Project.File) -> [String] {
        file.lines.compactMap { _, line in
            let words = line.split(separator: " ")
            guard let keyword = words.firstIndex(of: "import"), keyword + 1 < words.count,
                words[..<keyword].allSatisfy({ $0.hasPrefix("@") || ["public", "internal", "private"].contains($0) })
            else { return nil }
            // `import struct Foundation.Data` imports Foundation.
            let last = words[keyword + 1] == "struct" ? words.last : words[keyword + 1]
            return last?.split(separator: ".").first.map(String.init)
        }
    }
}
