import Foundation
import Model

/// One line of the JSON access log: a connection that has ended, or a request.
public struct AccessRecord: Decodable, Sendable {
    /// The snapshot's number the connection was matched by.
    public var generation: Int?
    /// The protected host it was for; nil: the proxy's own.
    public var host: String?
    /// The client's pod when it is on this host.
    public var pod: String?
    /// The server's pod when it is on this host.
    public var destinationPod: String?
    /// outbound, inbound or listener.
    public var direction: String?
    /// The downstream peer, `address:port`.
    public var client: String?
    /// What it dialled.
    public var originalDestination: String?
    /// The cluster that was picked from.
    public var cluster: String?
    /// Where the proxy connected to.
    public var endpoint: String?
    /// What it connected from.
    public var source: String?
    /// Client to server.
    public var bytesSent: Int?
    /// Server to client.
    public var bytesReceived: Int?
    /// From accept to end.
    public var durationMilliseconds: Double?
    /// Why a connection ended, in words.
    public var reason: String?
    /// Why a connection did not end as it should, or `-`.
    public var responseFlag: String?
    /// Which side ended it.
    public var closedBy: String?
    /// What it turned out to speak, where first bytes decide.
    public var detected: String?
    /// A request's method; nil: the line is a connection's.
    public var method: String?
    /// Its path and query as they were forwarded.
    public var path: String?
    /// The response's status.
    public var status: Int?
    /// What was remarkable, in letters, or `-`.
    public var responseFlags: String?
    /// The same in words.
    public var reasons: String?
    /// The rule of the sender's table.
    public var route: String?
    /// The rule of the receiver's table, where one proxy has asked both.
    public var inboundRoute: String?
    /// How often an endpoint was asked.
    public var attempts: Int?
    /// x-request-id as it was forwarded.
    public var requestId: String?

    /// The client's address without port.
    public var clientAddress: IPAddress? { client.flatMap { SocketAddress($0)?.address } }
    /// The bound source address without port.
    public var sourceAddress: IPAddress? { source.flatMap { SocketAddress($0)?.address } }

    /// Parses a log; the last line may still be being written.
    static func parse(_ text: String) throws(LabError) -> [AccessRecord] {
        var records: [AccessRecord] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: true) {
            do {
                records.append(try JSONDecoder().decode(AccessRecord.self, from: Data(line.utf8)))
            } catch {
                guard line.endIndex == text.endIndex else { throw LabError("access log: \(line): \(error)") }
            }
        }
        return records
    }
}
