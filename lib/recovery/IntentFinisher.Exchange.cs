using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Journal;

namespace ImageFs.Recovering;

/// <content>Exchanges of mappings. An intent is what is left of one: each step of the kernel's replaced it by one of less.</content>
internal sealed partial class IntentFinisher
{
    private const ulong ExchangeAttributes = 1, ExchangeSizes = 2, ExchangeWrittenOnly = 4, ExchangeEndsSharing1 = 8, ExchangeEndsSharing2 = 16;
    private const ulong NoSize = ulong.MaxValue;

    private void ExchangeMappings(ExchangeIntent intent)
    {
        if (!Geometry.Superblock.Has(IncompatFeatures.ExchangeRange)) throw Corrupt(intent, "the file system has no exchange of mappings");
        const ulong known = ExchangeAttributes | ExchangeSizes | ExchangeWrittenOnly | ExchangeEndsSharing1 | ExchangeEndsSharing2;
        if ((intent.Flags & ~known) != 0) throw Corrupt(intent, $"unknown flags 0x{intent.Flags:x}");
        Inode one = ExchangePartner(intent, intent.Inode1, intent.Generation1, intent.Start1), two = ExchangePartner(intent, intent.Inode2, intent.Generation2, intent.Start2);
        if (one.Number == two.Number && (intent.Start1 < intent.Start2 ? intent.Start2 - intent.Start1 : intent.Start1 - intent.Start2) < intent.Blocks)
            throw Corrupt(intent, $"{intent.Blocks} blocks of {one} from {intent.Start1} and from {intent.Start2} on overlap");
        bool sizes = (intent.Flags & ExchangeSizes) != 0;
        if (sizes && (intent.Size1 > long.MaxValue || intent.Size2 > long.MaxValue)) throw Corrupt(intent, $"sizes {intent.Size1} and {intent.Size2}");

        MappingExchange exchange = new(_map, one, two, ForkKind.Data, intent.Start1, intent.Start2, intent.Blocks, (intent.Flags & ExchangeWrittenOnly) != 0);
        while (exchange.TryNext())
            Run(intent.Name, tx =>
            {
                exchange.Exchange(tx);
                // Nothing may be mapped behind the end of a file at any moment.
                if (!sizes) return;
                Grow(tx, one, exchange.First, intent.Size1);
                Grow(tx, two, exchange.Second, intent.Size2);
            });
        Run(intent.Name, tx =>
        {
            if (sizes)
            {
                one.Modify(tx).FileSize = intent.Size1;
                two.Modify(tx).FileSize = intent.Size2;
            }
            if ((intent.Flags & ExchangeEndsSharing1) != 0) one.Modify(tx).Flags2 &= ~InodeFlags2.Reflink;
            if ((intent.Flags & ExchangeEndsSharing2) != 0) two.Modify(tx).Flags2 &= ~InodeFlags2.Reflink;
        });
    }

    private Inode ExchangePartner(ExchangeIntent intent, InodeNumber number, uint generation, FileBlock start)
    {
        Inode inode = _inodes.Get(number);
        if (inode.Core.Generation != generation) throw Corrupt(intent, $"{inode} has generation {inode.Core.Generation}, expected {generation}");
        // The kernel does it to attributes, directories and symlinks where it repairs them.
        if ((intent.Flags & ExchangeAttributes) != 0 || !inode.IsRegular)
            throw new XfsUnsupportedException($"the log holds an unfinished online repair of {inode}; mount the image once with a kernel");
        if (inode.Core.Format is not (ForkFormat.Extents or ForkFormat.Btree)) throw Corrupt(intent, $"{inode} has no extents");
        if (start.Value > FileBlock.Limit || intent.Blocks > FileBlock.Limit - start.Value) throw Corrupt(intent, $"{intent.Blocks} file blocks from {start} on cannot exist");
        return inode;
    }

    private void Grow(Transactions.Transaction tx, Inode inode, FileBlock end, ulong most)
    {
        ulong size = Math.Min(end.Value << Geometry.BlockLog, most);
        if (size > inode.Core.FileSize) inode.Modify(tx).FileSize = size;
    }
}
