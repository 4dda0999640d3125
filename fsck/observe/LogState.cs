using System.Buffers.Binary;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Where the log's head is and whether it was closed cleanly.</summary>
/// <param name="Head">Cycle and block at the head; nothing on the image may carry a greater LSN. 0 if it could not be found.</param>
/// <param name="IsClean">True if the last record is an unmount record, or the log was never written.</param>
/// <param name="Problem">Why the log could not be understood; null if it could.</param>
internal readonly record struct LogState(LogSequenceNumber Head, bool IsClean, string? Problem)
{
    private const int Basic = LogRecordHeader.BasicBlock;
    /// <summary>Blocks that may have been in flight when the power went: the head is searched for that far back.</summary>
    private const int Window = 4096;

    public static LogState Read(BlockDevice device, Geometry geometry)
    {
        try
        {
            return new Reader(device, geometry).Read();
        }
        catch (IOException e)
        {
            return new LogState(default, false, e.Message);
        }
    }

    private sealed class Reader(BlockDevice device, Geometry geometry)
    {
        private readonly long _blocks = geometry.LogBytes / Basic;
        private readonly byte[] _one = new byte[Basic];

        public LogState Read()
        {
            if (_blocks < 16 || geometry.LogOffset > device.Length - geometry.LogBytes) return new LogState(default, false, "it lies outside the image");
            uint firstCycle = CycleAt(0), lastCycle = CycleAt(_blocks - 1);
            if (firstCycle == 0) return new LogState(new LogSequenceNumber(1, 0), true, null);
            long head;
            uint stop;
            if (lastCycle == 0)
            {
                head = Search(0);
                stop = 0;
            }
            else if (firstCycle == lastCycle)
            {
                head = _blocks;
                stop = firstCycle - 1;
            }
            else
            {
                head = Search(lastCycle);
                stop = lastCycle;
            }
            head = WindowBack(head, stop);

            // The last record before the head; one that reaches beyond it was cut by the power failure.
            for (int attempt = 0; attempt < 8; attempt++)
            {
                long record = HeaderBefore(head);
                if (record < 0) return new LogState(default, false, "no record ends where the cycle numbers change");
                ref readonly LogRecordHeader header = ref LogRecordHeader.At((ReadOnlySpan<byte>)_one);
                if (header.Uuid != geometry.Uuid) return new LogState(default, false, $"its records carry UUID {header.Uuid}, the file system has {geometry.Uuid}");
                long length = header.Length / Basic, headers = header.RecordSize > LogRecordHeader.BytesPerHeader ? (header.RecordSize + LogRecordHeader.BytesPerHeader - 1) / LogRecordHeader.BytesPerHeader : 1;
                long end = record + headers + length;
                bool wraps = end >= _blocks;
                if (end != head && end - _blocks != head)
                {
                    head = record;
                    continue;
                }
                uint cycle = header.Cycle + (wraps ? 1u : 0u);
                LogSequenceNumber at = new(cycle, (uint)(wraps ? end - _blocks : end));
                if (header.OperationCount != 1) return new LogState(at, false, null);
                ReadBlock((record + headers) % _blocks);
                // The operation's first word lies in the header; its flags are where they belong.
                return new LogState(at, (LogOperationHeader.At((ReadOnlySpan<byte>)_one).Flags & LogOperationHeader.Unmount) != 0, null);
            }
            return new LogState(default, false, "its last records are all incomplete");
        }

        /// <summary>First block with that cycle; blocks before it have another, blocks behind it have it too.</summary>
        private long Search(uint cycle)
        {
            long low = 0, high = _blocks - 1;
            while (low < high)
            {
                long middle = (low + high) >>> 1;
                if (CycleAt(middle) == cycle) high = middle; else low = middle + 1;
            }
            return low;
        }

        /// <summary>Moves the head back to the earliest block in the window that still has the cycle of the time before.</summary>
        private long WindowBack(long head, uint stop)
        {
            long window = Math.Min(Window, _blocks);
            byte[] buffer = new byte[window * Basic];
            long start = Math.Max(0, head - window);
            int count = (int)(head - start);
            if (head < window)
            {
                long tail = _blocks - (window - head);
                uint older = stop - 1;
                int wrapped = (int)(window - head);
                device.Read(geometry.LogOffset + tail * Basic, buffer.AsSpan(0, wrapped * Basic));
                if (stop != 0)
                    for (int i = 0; i < wrapped; i++)
                        if (Cycle(buffer.AsSpan(i * Basic)) == older) return tail + i;
            }
            if (count == 0) return head;
            device.Read(geometry.LogOffset + start * Basic, buffer.AsSpan(0, count * Basic));
            for (int i = 0; i < count; i++)
                if (Cycle(buffer.AsSpan(i * Basic)) == stop) return start + i;
            return head;
        }

        /// <summary>The nearest record header before a block, left in the buffer; -1 if there is none within a record's reach.</summary>
        private long HeaderBefore(long head)
        {
            const int reach = LogRecordHeader.MaxRecordSize / Basic + 8;
            for (int back = 1; back <= Math.Min(reach, _blocks); back++)
            {
                long at = (head - back + _blocks) % _blocks;
                ReadBlock(at);
                if (BinaryPrimitives.ReadUInt32BigEndian(_one) == LogRecordHeader.MagicNumber) return at;
            }
            return -1;
        }

        private void ReadBlock(long block) => device.Read(geometry.LogOffset + block * Basic, _one);

        private uint CycleAt(long block)
        {
            ReadBlock(block);
            return Cycle(_one);
        }

        private static uint Cycle(ReadOnlySpan<byte> block)
        {
            uint word = BinaryPrimitives.ReadUInt32BigEndian(block);
            return word == LogRecordHeader.MagicNumber ? BinaryPrimitives.ReadUInt32BigEndian(block[4..]) : word;
        }
    }
}
