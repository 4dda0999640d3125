using ImageFs.Format;

namespace ImageFs.Tests.Interop;

/// <content>Ranges of files: fallocate in all its modes, copies, exchanges.</content>
internal sealed partial class RandomTurn
{
    /// <summary>Files of more blocks do not grow by insertion.</summary>
    private const int LongFile = 200;

    private static readonly FallocateMode[] s_modes =
    [
        FallocateMode.Allocate, FallocateMode.KeepSize, FallocateMode.PunchHole | FallocateMode.KeepSize, FallocateMode.PunchHole | FallocateMode.KeepSize,
        FallocateMode.ZeroRange, FallocateMode.ZeroRange | FallocateMode.KeepSize, FallocateMode.InsertRange, FallocateMode.CollapseRange,
        FallocateMode.UnshareRange, FallocateMode.UnshareRange | FallocateMode.KeepSize,
    ];

    /// <summary>Paths of regular files.</summary>
    public IEnumerable<string> Files => _names.Where(n => n.Value.Kind == 'f').Select(n => n.Key).Order(StringComparer.Ordinal);

    private void Fallocate(ITree tree)
    {
        string path = Any('f');
        Node node = _names[path];
        FallocateMode mode = s_modes[_random.Next(s_modes.Length)];
        long block = _options.BlockSize;
        // Mostly whole blocks, so that most calls are possible; now and then not, or beyond the end, or one that makes no sense.
        bool aligned = _random.Next(4) > 0;
        long offset = Place(node.Size + 3 * block, aligned), length = Place(8 * block, aligned) + (aligned ? 0 : 1);
        if (_random.Next(40) == 0) mode |= FallocateMode.PunchHole;
        bool moves = mode is FallocateMode.InsertRange or FallocateMode.CollapseRange;
        if (mode == FallocateMode.InsertRange && node.Size > LongFile * block) mode = FallocateMode.CollapseRange;
        // The kernel copies a shared last block only because the size of the file changes; there is no other reason to.
        if (moves && node.Size % block != 0) SetLength(tree, path, node.Size - node.Size % block);
        bool done = Did("fallocate " + mode.ToString().ToLowerInvariant(), tree.Fallocate(path, mode, offset, length), $"{path} {offset}+{length} of {node.Size}");
        // Times change before the range is looked at.
        node.TimesSet = false;
        if (!done) return;
        if (mode == FallocateMode.InsertRange) node.Size += length;
        else if (mode == FallocateMode.CollapseRange) node.Size -= length;
        else if ((mode & FallocateMode.KeepSize) == 0) node.Size = Math.Max(node.Size, offset + length);
    }

    private void Copy(ITree tree)
    {
        string from = Any('f'), to = Any('f');
        Node source = _names[from], target = _names[to];
        long block = _options.BlockSize;
        bool aligned = _random.Next(3) > 0;
        long fromOffset = Place(source.Size, aligned), offset = Place(target.Size + 2 * block, aligned), length = Place(12 * block, aligned);
        int error = tree.Copy(from, fromOffset, to, offset, length, out long copied);
        target.TimesSet = false;
        if (Did("copy", error, $"{from} {fromOffset}+{length} to {to} {offset}", copied) && copied > 0) target.Size = Math.Max(target.Size, offset + copied);
    }

    private void Exchange(ITree tree)
    {
        string first = Any('f'), second = Any('f');
        Node one = _names[first], two = _names[second];
        long block = _options.BlockSize, most = Math.Min(one.Size, two.Size);
        ExchangeOptions options = _random.Next(3) switch { 0 => ExchangeOptions.ToEnd, 1 => ExchangeOptions.FirstWritten, _ => ExchangeOptions.None };
        long from = Place(most, aligned: true), to = options == ExchangeOptions.ToEnd ? from : Place(most, aligned: true);
        long length = options == ExchangeOptions.ToEnd ? 0 : Place(Math.Min(8 * block, most - Math.Max(from, to)), _random.Next(8) > 0);
        bool done = Did(options == ExchangeOptions.ToEnd ? "exchange to the end" : "exchange", tree.Exchange(first, from, second, to, length, options),
            $"{first} {from} of {one.Size}, {second} {to} of {two.Size}, {length} bytes, {options}");
        one.TimesSet = two.TimesSet = false;
        if (done && options == ExchangeOptions.ToEnd) (one.Size, two.Size) = (two.Size, one.Size);
    }

    private void SetLength(ITree tree, string path, long length)
    {
        if (!Did("truncate", tree.Truncate(path, length), $"{path} {length}")) return;
        _names[path].Size = length;
        _names[path].TimesSet = false;
    }

    private long Place(long upTo, bool aligned) => aligned ? _random.NextInt64(upTo / _options.BlockSize + 1) * _options.BlockSize : _random.NextInt64(upTo + 1);
}
