import Foundation
import Model
import Testing

@testable import Control

/// Every file in `config/` is something an operator may start from, so each must load as it is.
struct ExampleConfigurationTests {
    static let directory = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "config")

    static func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).filter { $0.hasSuffix(".yaml") }.sorted()
    }

    @Test func everyExampleLoads() throws {
        let files = try Self.files()
        #expect(files.contains("apus.yaml") && files.contains("laptop.yaml") && files.contains("minimal.yaml"))
        for file in files {
            let path = Self.directory.appending(path: file).path
            #expect(throws: Never.self, "\(file)") {
                try ConfigurationFile.load(path: path, environment: ["NODE_NAME": "node-a"])
            }
        }
    }

    @Test func nodeExampleMeansWhatItSays() throws {
        let path = Self.directory.appending(path: "apus.yaml").path
        let onA = try ConfigurationFile.load(path: path, environment: ["NODE_NAME": "node-a"])
        #expect(onA.pods.map(\.name) == ["shop/cart-7d9f", "shop/web-5c44"])
        let cart = try #require(onA.pods.first)
        #expect(cart.tables.outbound?.map(\.action) == [.cluster("postgres"), .deny])
        #expect(cart.tables.outbound?.last?.ports == [PortRange(25), PortRange(465), PortRange(587)])
        #expect(cart.tables.inbound?.map(\.action) == [.passthrough, .deny])
        #expect(cart.tables.connectionsMax == 2000)
        #expect(cart.tables.bufferBytesMax == 64 << 20)
        #expect(onA.interception?.mark == .init(value: 0x10, mask: 0x70))
        #expect(onA.interception?.podCIDRs.map(\.description) == ["10.1.0.0/24", "fd01::/64"])
        #expect(onA.clusters.map(\.discovery).last == .originalDestination)
        #expect(onA.clusters.first?.connectionsMax == 1024)
        #expect(onA.clusters.first?.healthCheck == .init())
    }

    /// node-b's pod has an address of node-b, which the CIDRs of this file do not hold: the file tells so.
    @Test func anotherNodeOfTheFleetReadsItsOwnPods() throws {
        let path = Self.directory.appending(path: "apus.yaml").path
        let problems = #expect(throws: ConfigurationProblems.self) {
            try ConfigurationFile.load(path: path, environment: ["NODE_NAME": "node-b"])
        }
        #expect(problems?.problems.map(\.path) == ["pods[2].addresses[0]"])
    }
}
