import Foundation
import Lab
import Model

/// nginx in a pod; it answers with its name and with what it sees of the client.
struct WebServer {
    static let port: UInt16 = 8080

    /// What an nginx of the lab answered: `server=B1 client=10.1.0.11 dialled=10.2.0.11:8080`.
    struct Answer {
        let server: String
        let client: String
        let dialled: String

        init?(_ text: String) {
            let values = text.split(whereSeparator: \.isWhitespace).compactMap { word in
                word.split(separator: "=", maxSplits: 1).last.map(String.init)
            }
            guard values.count == 3 else { return nil }
            (server, client, dialled) = (values[0], values[1], values[2])
        }
    }

    /// Starts it and waits until it answers.
    static func start(in pod: Node, others ports: [UInt16] = []) throws {
        let listens = ([port] + ports).map { "listen \($0); listen [::]:\($0);" }.joined(separator: " ")
        let configuration = """
            daemon off;
            master_process off;
            pid nginx-\(pod.name).pid;
            error_log stderr warn;
            events {}
            http {
                access_log off;
                default_type text/plain;
                keepalive_timeout 60s;
                server {
                    \(listens)
                    location / {
                        return 200 "server=\(pod.name) client=$remote_addr dialled=$server_addr:$server_port\\n";
                    }
                }
            }
            """
        let file = try pod.workspace.write(configuration, to: "nginx-\(pod.name).conf")
        let process = try pod.start(["nginx", "-p", pod.workspace.path, "-e", "stderr", "-c", file])
        let answers = eventually(within: .seconds(10)) {
            !process.isRunning || (try? pod.connect(to: SocketAddress(pod.v4, port))) != nil
        }
        guard answers, process.isRunning else {
            throw LabError("nginx in \(pod.name): does not answer: \(process.errors)")
        }
    }
}
