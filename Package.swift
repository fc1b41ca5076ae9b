// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target: strict memory safety (each unsafe expression is marked and justified). The Swift 6
/// language mode comes with the tools version. CI adds `-warnings-as-errors` on the command line.
let settings: [SwiftSetting] = [.strictMemorySafety(), .enableUpcomingFeature("ExistentialAny")]

let package = Package(
    name: "apus",
    products: [],
    dependencies: [
        // MARK: control
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2")
    ],
    targets: [
        // MARK: model
        .target(name: "Model", swiftSettings: settings),
        .testTarget(name: "ModelTests", dependencies: ["Model"], swiftSettings: settings),

        // MARK: data plane
        .target(name: "CLinux"),
        .target(name: "Syscalls", dependencies: ["CLinux", "Model"], swiftSettings: settings),
        .target(name: "Buffers", swiftSettings: settings),
        .target(name: "EventLoop", dependencies: ["Syscalls"], swiftSettings: settings),

        // MARK: control
        .target(
            name: "Control", dependencies: ["Model", .product(name: "Yams", package: "Yams")], swiftSettings: settings),
        .testTarget(
            name: "ControlTests", dependencies: ["Control", "Model"], exclude: ["Problems"], swiftSettings: settings),
    ]
)
