import EventLoop
import Model
import Syscalls

/// What checked endpoints say.
extension Worker {
    /// The probe's socket has something to say: connected, or failed, or bytes of a response.
    mutating func probeAnswered(_ handle: SlabHandle) {
        guard let probe = probes.find(handle), probe.value.socket != nil else { return }
        if !probe.value.isAsked, probe.value.socket?.takeError() != nil { return endCheck(handle, .connect) }
        guard probe.value.check.asks else { return endCheck(handle, nil) }
        // The configuration is another one now: what was asked means nothing any more.
        guard let check = healthRequest(probe) else { return endCheck(handle, .connect) }
        if !probe.value.isAsked {
            guard ask(probe, check) else { return endCheck(handle, .ended) }
        }
        let verdict = check.http.map { readAnswer(probe, $0) } ?? readCall(probe)
        guard let verdict else { return }
        switch verdict {
        case .passed: endCheck(handle, nil)
        case .failed(let failure): endCheck(handle, failure)
        }
    }

    private func healthRequest(_ probe: SlabReference<HealthProbe>) -> Configuration.HealthCheck? {
        snapshot.cluster(slot: probe.value.clusterSlot).flatMap { generation.snapshot.healthRequests[$0] }
    }

    private func ask(_ probe: SlabReference<HealthProbe>, _ check: Configuration.HealthCheck) -> Bool {
        probe.value.isAsked = true
        let authority = probe.value.address.description
        if let http = check.http { return send(Self.request(http, authority), probe) }
        guard let grpc = check.grpc else { return false }
        let call = HealthCall(grpc, authority: authority)
        probe.value.call = call
        return send(call.takeOutput(), probe)
    }

    private static func request(_ check: Configuration.HealthCheck.HTTP, _ authority: String) -> [UInt8] {
        let host = check.host ?? authority
        let text =
            "GET \(check.path) HTTP/1.1\r\nhost: \(host)\r\nuser-agent: apusd-health\r\nconnection: close\r\n\r\n"
        return Array(text.utf8)
    }

    /// A socket that has just connected takes a request of a few hundred bytes at once.
    private func send(_ bytes: [UInt8], _ probe: SlabReference<HealthProbe>) -> Bool {
        guard !bytes.isEmpty else { return true }
        // Only read by the call, which keeps nothing.
        let result = unsafe bytes.withUnsafeBytes { unsafe probe.value.socket?.write($0) }
        guard case .bytes(bytes.count) = result else { return false }
        return true
    }

    /// nil: the response is not complete enough yet.
    private func readAnswer(
        _ probe: SlabReference<HealthProbe>, _ check: Configuration.HealthCheck.HTTP
    ) -> HealthCall.Verdict? {
        while true {
            let room = HealthAnswer.bytesMax - probe.value.answer.count
            guard room > 0 else { return .failed(.protocolError) }
            // The scratch is this worker's own; bytes are copied before anything else reads into it.
            let buffer = unsafe scratch.prefix(room)
            switch unsafe probe.value.socket?.read(into: buffer) {
            case .bytes(let count):
                // In bounds: the kernel wrote that many bytes.
                unsafe probe.value.answer.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                guard let status = probe.value.answer.status() else { continue }
                guard let status else { return .failed(.protocolError) }
                return check.expected.contains(status) ? .passed : .failed(.status)
            case .wouldBlock: return nil
            case .end, .failed, nil: return .failed(.ended)
            }
        }
    }

    /// The same of a gRPC check.
    private func readCall(_ probe: SlabReference<HealthProbe>) -> HealthCall.Verdict? {
        guard let call = probe.value.call else { return .failed(.ended) }
        while true {
            // The scratch is this worker's own; bytes are copied before anything else reads into it.
            let buffer = unsafe scratch.prefix(HealthAnswer.bytesMax)
            switch unsafe probe.value.socket?.read(into: buffer) {
            case .bytes(let count):
                // In bounds: the kernel wrote that many bytes.
                let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
                if let verdict = unsafe call.receive(bytes, now: now) { return verdict }
                guard send(call.takeOutput(), probe) else { return .failed(.ended) }
            case .wouldBlock: return nil
            case .end, .failed, nil: return .failed(.ended)
            }
        }
    }
}
