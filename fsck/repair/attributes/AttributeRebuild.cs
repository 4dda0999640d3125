using ImageFs.Attributes;
using ImageFs.Dax;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Fsck;

/// <summary>Writes the attributes of inodes anew, with the library's own hands.</summary>
internal sealed class AttributeRebuild(Volume volume)
{
    /// <summary>Empties the attribute fork and gives it what was salvaged. Times stay as they are.</summary>
    public void Rebuild(SalvagedAttributes salvaged)
    {
        Inode inode = volume.Inodes.Get(new InodeNumber(salvaged.Inode));
        if (inode.Core.ForkOffset == 0) return;
        new FileData(volume).FreeRange(inode, ForkKind.Attribute, default, new FileBlock(FileBlock.Limit));
        volume.Run(tx =>
        {
            inode.ModifyFork(tx, ForkKind.Attribute).Clear();
            inode.SetFormat(tx, ForkKind.Attribute, ForkFormat.Extents);
            AttributeFork.TryDrop(tx, inode);
        });
        foreach (SalvagedAttribute attribute in salvaged.All)
            volume.Run(tx => ExtendedAttributes.Set(tx, volume, inode, attribute.Key, attribute.Value));
    }
}
