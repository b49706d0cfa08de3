import API
import Transport
final class HTTPPort {
    init(_ actors: MemberActors, _ configuration: Configuration, metrics: ServerMetrics) {}
    func serve(_ stream: any ByteStream, _ bytes: UnsafeRawBufferPointer) { stream.close() }
}
