// Who owns a libuv handle.
//
// The rule for every handle but the loop's own three: `data` holds one retain of its owner, from
// `adopt` until libuv calls back that the handle is closed. A callback can therefore always turn
// `data` into its owner, and an owner lives as long as libuv may call it.

import CLibuv

/// The owner of one libuv handle, confined to the loop's thread.
class LoopHandle {
    /// Unowned in effect: a loop closes all its handles before it goes.
    let loop: EventLoop

    init(loop: EventLoop) {
        precondition(loop.isCurrent, "handles are made on their loop")
        self.loop = loop
    }

    /// The loop stops: close the handle, telling whoever uses it.
    func loopStops() {}

    /// The handle is closed and libuv has forgotten it: free its memory.
    func released() {}

    final func adopt<Handle>(_ handle: UnsafeMutablePointer<Handle>) {
        UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
            .pointee.data = Unmanaged.passRetained(self).toOpaque()
    }

    /// Asks libuv to close; ends in `released`, in a later part of this turn.
    final func closeHandle<Handle>(_ handle: UnsafeMutablePointer<Handle>) {
        let generic = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
        guard uv_is_closing(generic) == 0 else { return }
        uv_close(generic) { handle in
            guard let data = handle?.pointee.data else { return }
            handle?.pointee.data = nil
            Unmanaged<LoopHandle>.fromOpaque(data).takeRetainedValue().released()
        }
    }

    /// The owner behind a handle's `data`, in a callback of libuv.
    @inline(__always)
    static func owner(_ data: UnsafeMutableRawPointer?) -> LoopHandle? {
        guard let data else { return nil }
        return Unmanaged<LoopHandle>.fromOpaque(data).takeUnretainedValue()
    }
}
