import Foundation
import Lab
import Model
import Testing

/// One pod's flood is that pod's. What is measured in microseconds is in `tools/bench/node`; here is what must hold on
/// any machine: nobody else fails, limits hold, and the figures say whose it was.
extension NodeTests {
    @Suite struct FairnessTests {
        private static let budgetBytes = 8 << 20

        /// A2 exchanges lines with its server while `flood` runs; nothing of that may fail.
        private func withVictim(_ flood: (Mesh) throws -> Void) throws {
            try withMesh({
                $0.a.workers = 1
                $0.a.limits[.a1] = "{bufferBytes: \(Self.budgetBytes >> 20)MiB}"
            }) { mesh in
                let server = try mesh.lab[.b2].echo()
                let sockets = try (0..<4).map { _ in try mesh.lab[.a2].connect(to: SocketAddress(PodName.b2.v4, 8080)) }
                for socket in sockets { _ = try socket.receiveLine() }
                let victim = Background {
                    for number in 0..<800 {
                        let socket = sockets[number % sockets.count]
                        try socket.send("\(number)\n")
                        guard try socket.receiveLine() == "\(number)" else { throw LabError("exchange \(number)") }
                        usleep(2000)
                    }
                }
                try flood(mesh)
                try victim.value()
                #expect(server.active == sockets.count)
                let resets = try mesh.a.admin.metric("apus_resets_total", ["pod": "shop/a2"])
                #expect(resets == 0)
                #expect(try mesh.a.admin.metric("apus_worker_bugs_total") == 0)
            }
        }

        /// Servers that send without an end to clients that do not read: what they hold stays within the pod's limit.
        @Test func stalledReadersAreResetWithinTheirPodsLimit() throws {
            try withVictim { mesh in
                let listener = try mesh.lab[.b1].listen()
                let target = SocketAddress(PodName.b1.v4, listener.port)
                var clients: [LabSocket] = []
                var senders: [Background<Void>] = []
                for _ in 0..<100 {
                    let client = try mesh.lab[.a1].connect(to: target)
                    let server = try listener.accept()
                    clients.append(client)
                    senders.append(
                        Background {
                            let bytes = [UInt8](repeating: 7, count: 65536)
                            while (try? server.send(bytes)) != nil {}
                        })
                }
                let limited = ["pod": "shop/a1", "reason": "buffer_limit"]
                let isLimited = try eventually(within: .seconds(10)) {
                    try mesh.a.admin.metric("apus_resets_total", limited) >= 50
                        && mesh.a.admin.metric("apus_pod_buffer_bytes", ["pod": "shop/a1"]) <= Double(Self.budgetBytes)
                }
                let held = try mesh.a.admin.metric("apus_pod_buffer_bytes", ["pod": "shop/a1"])
                #expect(isLimited, "a hundred connections of 200 KiB do not fit into 8 MiB; \(held) bytes are held")
                #expect(held > Double(Self.budgetBytes) / 4, "those that fit stay")
                #expect(try mesh.a.admin.metric("apus_pod_window_clamps_total", ["pod": "shop/a1"]) > 0)
                _ = try mesh.a.record { $0.responseFlag == "BUF_LIMIT" && $0.closedBy == "proxy" }
                for client in clients { client.reset() }
                let isFree = try eventually { try mesh.a.admin.metric("apus_buffer_bytes") == 0 }
                #expect(isFree, "what is closed is not counted")
                for sender in senders { try sender.value() }
            }
        }

        /// The flooder's connections cost far more than the victim's exchanges, and the sum is what the process used.
        @Test func cpuIsAttributedToWhoUsesIt() throws {
            try withVictim { mesh in
                let server = try mesh.lab[.b1].echo()
                let target = SocketAddress(PodName.b1.v4, 8080)
                for _ in 0..<3 {
                    for _ in 0..<500 { try mesh.lab[.a1].connect(to: target).reset() }
                    usleep(300_000)
                }
                #expect(server.accepted > 0)
                let cpu = try ["shop/a1", "shop/a2", ""].map {
                    try mesh.a.admin.metric("apus_pod_cpu_seconds_total", ["pod": $0])
                }
                #expect(cpu[0] > cpu[1], "1,500 connections against 800 lines: \(cpu)")
                #expect(cpu[1] > 0 && cpu[2] == 0, "\(cpu)")
                // Starting, the admin API and this test's questions are the process's, too.
                let process = try mesh.a.admin.metric("process_cpu_seconds_total")
                let sum = cpu.reduce(0, +)
                #expect(sum < process * 1.5 && sum > process * 0.2, "\(cpu) of \(process)")
            }
        }
    }
}
