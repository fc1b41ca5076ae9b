// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target: strict memory safety (each unsafe expression is marked and justified). The Swift 6
/// language mode comes with the tools version. `make test` turns warnings of our own targets into errors: not
/// `-warnings-as-errors` on the command line, which contradicts the `-suppress-warnings` that dependencies are built with.
let strict: [SwiftSetting] =
    Context.environment["APUS_WARNINGS_AS_ERRORS"] == "1" ? [.treatAllWarnings(as: .error)] : []
let settings: [SwiftSetting] = [.strictMemorySafety(), .enableUpcomingFeature("ExistentialAny")] + strict
/// For codecs, which lend spans of what they own.
let codecSettings = settings + [.enableExperimentalFeature("Lifetimes")]

let package = Package(
    name: "apus",
    products: [],
    dependencies: [
        // MARK: control
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),

        // MARK: programs
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),

        // MARK: admin
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),

        // MARK: interception
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    ],
    targets: [
        // MARK: model
        .target(name: "Model", swiftSettings: settings),
        .testTarget(name: "ModelTests", dependencies: ["Model"], swiftSettings: settings),

        // MARK: data plane
        .target(name: "CLinux"),
        .target(name: "Syscalls", dependencies: ["CLinux", "Model"], swiftSettings: settings),
        .target(name: "Buffers", swiftSettings: codecSettings),
        .target(name: "EventLoop", dependencies: ["Model", "Syscalls"], swiftSettings: settings),
        .target(
            name: "Proxy",
            dependencies: ["Buffers", "EventLoop", "HTTP", "Model", "Patterns", "Routing", "Syscalls", "Upstream"],
            swiftSettings: settings),

        // MARK: data plane tests
        .testTarget(name: "BuffersTests", dependencies: ["Buffers"], swiftSettings: settings),
        .testTarget(name: "SyscallsTests", dependencies: ["CLab", "Model", "Syscalls"], swiftSettings: settings),
        .testTarget(name: "EventLoopTests", dependencies: ["EventLoop", "Syscalls"], swiftSettings: settings),
        .target(name: "Loopback", dependencies: ["CLab", "Model"], path: "Tests/Loopback", swiftSettings: settings),
        .testTarget(
            name: "ProxyTests",
            dependencies: ["Buffers", "EventLoop", "Loopback", "Model", "Proxy", "Syscalls", "Upstream"],
            swiftSettings: settings),
        .testTarget(
            name: "DaemonTests", dependencies: ["apusd", "Lab", "Loopback", "Model", "Smuggling"],
            swiftSettings: settings),

        // MARK: codecs
        .target(name: "CLanes"),
        .target(name: "HTTP", dependencies: ["Buffers", "CLanes"], swiftSettings: codecSettings),
        .target(
            name: "HTTPChecks", dependencies: ["Buffers", "HTTP"], path: "Tests/HTTPChecks", swiftSettings: settings),
        .target(name: "Smuggling", path: "Tests/Smuggling", swiftSettings: settings),
        .testTarget(
            name: "HTTPTests", dependencies: ["Buffers", "HTTP", "HTTPChecks", "Smuggling"], swiftSettings: settings),

        // MARK: upstream
        .systemLibrary(name: "CCares", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
        .target(name: "DNS", dependencies: ["CCares", "Model"], swiftSettings: settings),
        .target(name: "Upstream", dependencies: ["Model"], swiftSettings: settings),
        .testTarget(name: "UpstreamTests", dependencies: ["Upstream", "Model"], swiftSettings: settings),

        // MARK: routing
        .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        .target(name: "Patterns", dependencies: ["CPCRE2"], swiftSettings: settings),
        .target(name: "Routing", dependencies: ["Buffers", "HTTP", "Model", "Patterns"], swiftSettings: settings),
        .testTarget(
            name: "RoutingTests", dependencies: ["Buffers", "HTTP", "Model", "Patterns", "Routing"],
            swiftSettings: settings),

        // MARK: control
        .target(
            name: "Control", dependencies: ["DNS", "Model", "Patterns", .product(name: "Yams", package: "Yams")],
            swiftSettings: settings),
        .testTarget(
            name: "ControlTests", dependencies: ["Control", "DNS", "Loopback", "Model"], exclude: ["Problems"],
            swiftSettings: settings),

        // MARK: hand-over
        .target(name: "HandOver", dependencies: ["Model", "Proxy", "Syscalls"], swiftSettings: settings),
        .testTarget(
            name: "HandOverTests", dependencies: ["HandOver", "Loopback", "Model", "Proxy", "Syscalls"],
            swiftSettings: settings),

        // MARK: programs
        .executableTarget(
            name: "apusd",
            dependencies: [
                "Admin", "Control", "HandOver", "Model", "Proxy", "Syscalls",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], swiftSettings: settings),

        // MARK: admin
        .target(
            name: "Admin",
            dependencies: [
                "Buffers", "HTTP", "Model", "Patterns", "Routing",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "AdminTests",
            dependencies: [
                "Admin", "Model", "apusctl",
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),

        // MARK: interception
        .target(
            name: "Interception",
            dependencies: ["Model", "Syscalls", .product(name: "Subprocess", package: "swift-subprocess")],
            swiftSettings: settings),
        .testTarget(
            name: "InterceptionTests", dependencies: ["Interception", "Model"], exclude: ["Golden"],
            swiftSettings: settings),

        // MARK: failover
        .target(
            name: "Failover",
            dependencies: [
                "Admin", "Interception", "Model", "Syscalls", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "FailoverTests", dependencies: ["Failover", "Model", "Syscalls"], swiftSettings: settings),
        .executableTarget(
            name: "apus-guard",
            dependencies: [
                "Admin", "Control", "Failover", "Model",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], path: "Sources/apus-guard", swiftSettings: settings),

        // MARK: apusctl
        .executableTarget(
            name: "apusctl",
            dependencies: [
                "Admin", "Control", "Failover", "Interception", "Model",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),

        // MARK: lab
        .target(name: "CLab", path: "tools/lab/CLab"),
        .target(name: "Lab", dependencies: ["CLab", "Model"], path: "tools/lab/Lab", swiftSettings: settings),
        .executableTarget(
            name: "apus-lab",
            dependencies: ["Lab", "Model", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "tools/lab/apus-lab", swiftSettings: settings),
        .testTarget(name: "NodeTests", dependencies: ["Lab", "Model", "Proxy", "apus-guard"], swiftSettings: settings),

        // MARK: bench
        .executableTarget(
            name: "apus-relay", dependencies: ["Model", "Proxy"], path: "tools/bench/relay", swiftSettings: settings),
        .executableTarget(
            name: "apus-churn", dependencies: ["Model", "Proxy"], path: "tools/bench/churn", swiftSettings: settings),
        .executableTarget(
            name: "apus-codec", dependencies: ["Buffers", "HTTP"], path: "tools/bench/codec", swiftSettings: settings),

        .executableTarget(
            name: "apus-routes", dependencies: ["HTTP", "Model", "Patterns", "Routing"], path: "tools/bench/routes",
            swiftSettings: settings),

        // MARK: deployment
        .testTarget(
            name: "DeployTests",
            dependencies: [
                "Control", "Lab", "Loopback", "Model", "apus-guard", "apusctl", "apusd",
                .product(name: "Yams", package: "Yams"),
            ],
            exclude: ["two-pods"], swiftSettings: settings),

        // MARK: tidy
        .testTarget(name: "TidyTests", dependencies: ["Control"], swiftSettings: settings),
    ]
)

// MARK: fuzz
// tools/fuzz/run builds these with -sanitize=fuzzer and links libFuzzer's main; an ordinary build has none of it.
if Context.environment["APUS_FUZZ"] == "1" {
    package.targets.append(
        .target(
            name: "FuzzConfig", dependencies: ["Control", "Model"], path: "tools/fuzz/config", exclude: ["dictionary"],
            swiftSettings: settings))
    package.targets.append(
        .target(
            name: "FuzzHandover", dependencies: ["HandOver", "Model", "Proxy", "Syscalls"], path: "tools/fuzz/handover",
            exclude: ["dictionary"], swiftSettings: settings))
    package.targets.append(
        .target(
            name: "FuzzHttp1", dependencies: ["HTTPChecks"], path: "tools/fuzz/http1", exclude: ["dictionary"],
            swiftSettings: settings))
    package.targets.append(
        .target(
            name: "FuzzHttp2", dependencies: ["HTTPChecks"], path: "tools/fuzz/http2", exclude: ["dictionary"],
            swiftSettings: settings))
    package.targets.append(
        .target(
            name: "FuzzHpack", dependencies: ["HTTPChecks"], path: "tools/fuzz/hpack", exclude: ["dictionary"],
            swiftSettings: settings))
    package.products += ["FuzzConfig", "FuzzHandover", "FuzzHpack", "FuzzHttp1", "FuzzHttp2"].map {
        .library(name: $0, type: .static, targets: [$0])
    }
}
