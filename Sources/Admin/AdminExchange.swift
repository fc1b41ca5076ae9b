import NIOCore
import NIOHTTP1
import Synchronization

/// Requests of one connection, one after the other, and their responses.
struct AdminExchange {
    let api: any AdminResponder

    func run(
        _ inbound: NIOAsyncChannelInboundStream<HTTPServerRequestPart>,
        _ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
    ) async throws {
        var head: HTTPRequestHead?
        var bodyBytes = 0
        for try await part in inbound {
            switch part {
            case .head(let request):
                head = request
                bodyBytes = 0
            case .body(let bytes):
                bodyBytes += bytes.readableBytes
                if bodyBytes > AdminServer.bodyBytesMax {
                    let limit = AdminServer.bodyBytesMax
                    try await write(.error(413, "body: more than \(limit) bytes"), to: outbound, isLast: true)
                    return
                }
            case .end:
                guard let request = head else { continue }
                let response = await api.respond(
                    to: AdminRequest(
                        method: request.method.rawValue, target: request.uri,
                        hasOrigin: request.headers.contains(name: "origin")))
                try await write(
                    response, to: outbound, isLast: !request.isKeepAlive, withoutBody: request.method == .HEAD)
                if !request.isKeepAlive { return }
            }
        }
    }

    private func write(
        _ response: AdminResponse, to outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>,
        isLast: Bool, withoutBody: Bool = false
    ) async throws {
        var headers: HTTPHeaders = [
            "content-type": response.contentType, "content-length": "\(response.body.count)",
            "cache-control": "no-store", "x-content-type-options": "nosniff",
        ]
        if let allow = response.allow { headers.add(name: "allow", value: allow) }
        if isLast { headers.add(name: "connection", value: "close") }
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: response.status), headers: headers)
        var parts: [HTTPServerResponsePart] = [.head(head)]
        if !withoutBody { parts.append(.body(.byteBuffer(ByteBuffer(bytes: response.body)))) }
        parts.append(.end(nil))
        try await outbound.write(contentsOf: parts)
    }
}

/// How many connections there are.
final class ConnectionCount: Sendable {
    private let count = Atomic<Int>(0)
    private let max: Int

    init(max: Int) { self.max = max }

    /// Counts one more; false when there are `max`.
    func take() -> Bool {
        if count.wrappingAdd(1, ordering: .relaxed).newValue <= max { return true }
        giveBack()
        return false
    }

    func giveBack() { count.wrappingSubtract(1, ordering: .relaxed) }
}
