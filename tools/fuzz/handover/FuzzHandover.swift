import HandOver
import Model
import Proxy
import Syscalls

/// What a taker knows: the configuration of nobody in particular.
private let names: TunnelNames? = {
    var configuration = Configuration()
    configuration.clusters = [.init(name: "c", discovery: .endpoints([]))]
    configuration.listeners = [.init(name: "w", address: SocketAddress(.loopbackV4, 1), cluster: "c")]
    configuration.pods = [.init(name: "p", uid: "1", addresses: [.loopbackV4])]
    var compiler = SnapshotCompiler(shared: SharedState(), names: SlotNames())
    return (try? compiler.compile(configuration, oldestGenerationInUse: 0)).map(TunnelNames.init)
}()

/// libFuzzer's entry: any bytes are a frame, with as many descriptors as the last byte says, or are refused.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHandover(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    // Sound: libFuzzer owns `count` bytes there during the call; they are copied.
    let input = unsafe Array(UnsafeBufferPointer(start: bytes, count: count))
    do {
        let header = try Frame.read(header: Array(input.prefix(Frame.headerSize)))
        let rest = input.dropFirst(Frame.headerSize)
        var frame = Frame(kind: header.kind, text: Array(rest.prefix(header.text)))
        frame.bytes = Array(rest.dropFirst(header.text).prefix(header.bytes))
        frame.descriptors = (0..<(input.last ?? 0)).map { _ in Descriptor.Parcel(Descriptor(taking: -1)) }
        try read(frame)
    } catch {
        precondition(!"\(error)".isEmpty, "refused without a reason")
    }
    return 0
}

private func read(_ frame: Frame) throws {
    switch frame.kind {
    case .hello: _ = try frame.message(Hello.self)
    case .welcome: _ = try frame.message(Welcome.self)
    case .done: _ = try frame.message(Done.self)
    case .totals: _ = try frame.message(News.self).totals.since(Totals())
    case .verdicts: _ = try frame.message(Verdicts.self)
    case .refusal, .ready: break
    case .tunnels:
        let batch = try Batch(frame)
        guard let names else { return }
        for (index, state) in batch.states.enumerated() {
            try state.check(names)
            _ = batch.content(index)
        }
    }
}
