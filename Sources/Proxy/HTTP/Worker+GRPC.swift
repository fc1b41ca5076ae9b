import EventLoop
import HTTP
import Model
import Upstream

/// What is different about a gRPC call: its status is in the trailers, its caller says how long it waits, and it expects
/// what goes wrong on the way in the same form.
extension Worker {
    /// The caller's own time bounds the exchange as the route's does.
    func boundCall(_ exchange: SlabReference<Exchange>) {
        guard let timeout = exchange.value.heads.reference.value.request.grpcTimeout else { return }
        let deadline = exchange.value.startedAt + min(max(timeout, Self.callNanosecondsMin), Self.callNanosecondsMax)
        guard exchange.value.deadline == 0 || deadline < exchange.value.deadline else { return }
        exchange.value.deadline = deadline
        exchange.value.isCallersTime = true
    }

    /// In less nobody answers: it would be a request for nothing.
    private static var callNanosecondsMin: Int64 { 1_000_000 }
    /// Longer ones are as good as none.
    private static var callNanosecondsMax: Int64 { 365 * 86400 * 1_000_000_000 }

    /// The head of a response to a call: a status there is the whole response. False: it is tried again.
    mutating func judgeCall(_ exchange: SlabReference<Exchange>) -> Bool {
        guard let status = exchange.value.heads.reference.value.response.grpcStatus else { return true }
        exchange.value.record.grpcStatus = Int8(status)
        reportCall(exchange, status)
        guard status != 0, mayRetry(exchange, .grpcStatus(status)) else { return true }
        exchange.value.record.grpcStatus = -1
        retry(exchange)
        return false
    }

    /// The end of a response to a call.
    mutating func noteCallStatus(_ exchange: SlabReference<Exchange>) {
        guard exchange.value.record.status == 200, exchange.value.record.grpcStatus < 0,
            let status = exchange.value.heads.reference.value.responseTrailers.grpcStatus
        else { return }
        exchange.value.record.grpcStatus = Int8(status)
        reportCall(exchange, status)
    }

    /// What a call's status says about its endpoint. Nothing, where the time was the caller's.
    private mutating func reportCall(_ exchange: SlabReference<Exchange>, _ status: Int) {
        guard let known = GRPCStatus(rawValue: status) else { return }
        if known == .deadlineExceeded, exchange.value.isCallersTime { return }
        report(exchange, status: known.httpStatus)
    }

    /// What the caller makes of an HTTP status; nil: it is no call, or all is well.
    func callStatus(_ exchange: SlabReference<Exchange>, _ status: Int) -> Int? {
        exchange.value.isGRPC && status != 200 ? GRPCStatus(httpStatus: status).rawValue : nil
    }

    /// The server's own clock may be the first to say that the call's time is over.
    func isTimeOver(_ exchange: SlabReference<Exchange>) -> Bool {
        exchange.value.isGRPC && exchange.value.deadline > 0 && exchange.value.deadline - now < Self.clockSlack
    }

    private static var clockSlack: Int64 { 10_000_000 }

    /// Makes the proxy's answer one that a gRPC client understands: a head that is the whole response.
    mutating func makeCallAnswer(
        _ exchange: SlabReference<Exchange>, status: Int, _ explanation: StaticString
    ) {
        let call = GRPCStatus(httpStatus: status)
        exchange.value.record.grpcStatus = Int8(call.rawValue)
        exchange.value.heads.reference.value.response.removeAll()
        exchange.value.heads.reference.value.response.status = 200
        exchange.value.heads.reference.value.response.append(.contentType, Self.callType)
        appendCallStatus(call, explanation, to: &exchange.value.heads.reference.value.response)
    }

    /// The response was under way: its status is what is left to say. False: it is no call, or its client not one to be told.
    mutating func endCall(
        _ exchange: SlabReference<Exchange>, status: Int, _ explanation: StaticString
    ) -> Bool {
        guard exchange.value.isGRPC, !exchange.value.endedDown,
            let multiplex = clients.find(exchange.value.client)?.value.multiplex?.reference
        else { return false }
        let call = GRPCStatus(httpStatus: status)
        exchange.value.record.grpcStatus = Int8(call.rawValue)
        exchange.value.endedDown = true
        exchange.value.heads.reference.value.responseTrailers.removeAll()
        appendCallStatus(call, explanation, to: &exchange.value.heads.reference.value.responseTrailers)
        collect(forClient: exchange.value.client)
        multiplex.value.codec.sendTrailers(
            exchange.value.heads.reference.value.responseTrailers, on: exchange.value.clientStream, into: &toClient)
        // All has been said: any other code would be taken for the status.
        multiplex.value.codec.reset(exchange.value.clientStream, .noError, into: &toClient)
        return true
    }

    private mutating func appendCallStatus(
        _ status: GRPCStatus, _ explanation: StaticString, to head: inout MessageHead
    ) {
        text.removeAll()
        text.appendDecimal(status.rawValue)
        head.append(.grpcStatus, text.bytes)
        text.removeAll()
        // Static text lives for ever. Without the end of its line: fields have none.
        let line = unsafe UnsafeRawBufferPointer(start: explanation.utf8Start, count: explanation.utf8CodeUnitCount)
        unsafe text.append(UnsafeRawBufferPointer(rebasing: line.dropLast()))
        head.append(.grpcMessage, text.bytes)
    }

    private static var callType: StaticString { "application/grpc" }
}
