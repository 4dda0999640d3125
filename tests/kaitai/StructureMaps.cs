using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ImageFs.Format;
using Kaitai;

namespace ImageFs.Tests.Kaitai;

/// <summary>One of our structs beside the type of format/xfs.ksy that describes the same bytes.</summary>
internal sealed class StructureMap
{
    private readonly Func<KaitaiStream, KaitaiStruct> _theirs;

    private StructureMap(Type ours, int size, Func<byte[], object> read, Func<KaitaiStream, KaitaiStruct> theirs, string names)
    {
        Ours = ours;
        Size = size;
        Boxed = read;
        _theirs = theirs;
        Fields = [.. names.Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=') switch
        {
            [var one, var other] => (one.Split('+'), other.Split('+')),
            _ => throw new InvalidOperationException($"{ours.Name}: '{pair}'"),
        })];
    }

    /// <summary>A map, written as `OurField=their_field`; where several share bytes, joined by +.</summary>
    public static StructureMap Of<T>(Func<KaitaiStream, (KaitaiStruct Structure, Action Read)> theirs, string names) where T : unmanaged =>
        new(typeof(T), Unsafe.SizeOf<T>(), bytes => MemoryMarshal.Read<T>(bytes), io =>
        {
            (KaitaiStruct structure, Action read) = theirs(io);
            read();
            return structure;
        }, names);

    public Type Ours { get; }
    public int Size { get; }
    public IReadOnlyList<(string[] Ours, string[] Theirs)> Fields { get; }

    /// <summary>Our struct over bytes.</summary>
    public Func<byte[], object> Boxed { get; }

    /// <summary>Our fields and the bytes each of them is.</summary>
    public Dictionary<string, byte[]> ReadOurs(byte[] bytes)
    {
        object structure = Boxed(bytes);
        return Ours.GetFields(BindingFlags.Instance | BindingFlags.Public).ToDictionary(field => field.Name, field => Bytes(field.GetValue(structure)!));
    }

    /// <summary>Their fields, each as its value.</summary>
    public Dictionary<string, object> ReadTheirs(byte[] bytes) => KaitaiValues.Of(_theirs(new KaitaiStream(bytes)), computed: false);

    private static byte[] Bytes(object boxed) =>
        (byte[])typeof(StructureMap).GetMethod(nameof(BytesOf), BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(boxed.GetType()).Invoke(null, [boxed])!;

    private static byte[] BytesOf<T>(object boxed) where T : unmanaged
    {
        T value = (T)boxed;
        return MemoryMarshal.AsBytes(MemoryMarshal.CreateReadOnlySpan(ref value, 1)).ToArray();
    }
}

/// <summary>Every struct of format/ that lies on the disk.</summary>
internal static class StructureMaps
{
    public static readonly StructureMap Superblock = StructureMap.Of<Superblock>(io => Made(new Xfs.Superblock(io), s => s._read()), """
        Magic=magicnum BlockSize=blocksize DataBlocks=dblocks RealtimeBlocks=rblocks RealtimeExtents=rextents Uuid=uuid LogStart=logstart
        RootInode=rootino RealtimeBitmapInode=rbmino RealtimeSummaryInode=rsumino RealtimeExtentSize=rextsize AgBlocks=agblocks AgCount=agcount
        RealtimeBitmapBlocks=rbmblocks LogBlocks=logblocks VersionNumber=versionnum SectorSize=sectsize InodeSize=inodesize
        InodesPerBlock=inopblock Label=fname BlockLog=blocklog SectorLog=sectlog InodeLog=inodelog InodesPerBlockLog=inopblog
        AgBlockLog=agblklog RealtimeExtentsLog=rextslog InProgress=inprogress InodeMaxPercent=imax_pct InodeCount=icount FreeInodes=ifree
        FreeDataBlocks=fdblocks FreeRealtimeExtents=frextents UserQuotaInode=uquotino GroupQuotaInode=gquotino QuotaFlags=qflags Flags=flags
        SharedVersion=shared_vn InodeAlignment=inoalignmt StripeUnit=unit StripeWidth=width DirectoryBlockLog=dirblklog
        LogSectorLog=logsectlog LogSectorSize=logsectsize LogStripeUnit=logsunit Features2=features2 BadFeatures2=bad_features2
        FeaturesCompat=features_compat FeaturesRoCompat=features_ro_compat FeaturesIncompat=features_incompat
        FeaturesLogIncompat=features_log_incompat Crc=crc SparseInodeAlignment=spino_align ProjectQuotaInode=pquotino Lsn=lsn
        MetaUuid=meta_uuid MetadataDirectoryInode=metadirino RealtimeGroupCount=rgcount RealtimeGroupExtents=rgextents
        RealtimeGroupBlockLog=rgblklog Padding=pad RealtimeStart=rtstart RealtimeReserved=rtreserved
        """);

    public static readonly StructureMap Agf = StructureMap.Of<Agf>(io => Made(new Xfs.Agf(io), s => s._read()), """
        Magic=magicnum Version=versionnum SequenceNumber=seqno Length=length BnoRoot=bnoroot CntRoot=cntroot RmapRoot=rmaproot
        BnoLevel=bnolevel CntLevel=cntlevel RmapLevel=rmaplevel FreeListFirst=flfirst FreeListLast=fllast FreeListCount=flcount
        FreeBlocks=freeblks Longest=longest BtreeBlocks=btreeblks Uuid=uuid RmapBlocks=rmapblocks RefcountBlocks=refcntblocks
        RefcountRoot=refcntroot RefcountLevel=refcntlevel Spare=spare Lsn=lsn Crc=crc Spare2=pad
        """);

    public static readonly StructureMap Agi = StructureMap.Of<Agi>(io => Made(new Xfs.Agi(io), s => s._read()), """
        Magic=magicnum Version=versionnum SequenceNumber=seqno Length=length Count=count Root=root Level=level FreeCount=freecount
        NewInode=newino DirectoryInode=dirino Unlinked=unlinked Uuid=uuid Crc=crc Pad=pad Lsn=lsn FreeRoot=free_root
        FreeLevel=free_level InodeBtreeBlocks=ino_blocks FreeInodeBtreeBlocks=fino_blocks
        """);

    public static readonly StructureMap AgflHeader = StructureMap.Of<AgflHeader>(io => Made(new Xfs.AgflHeader(io), s => s._read()),
        "Magic=magicnum SequenceNumber=seqno Uuid=uuid Lsn=lsn Crc=crc");

    public static readonly StructureMap ShortBtreeHeader = StructureMap.Of<ShortBtreeHeader>(io => Made(new Xfs.BtreeShortHeader(io), s => s._read()),
        "Magic=magic Level=level RecordCount=numrecs LeftSibling=leftsib RightSibling=rightsib BlockNumber=blkno Lsn=lsn Uuid=uuid Owner=owner Crc=crc");

    public static readonly StructureMap LongBtreeHeader = StructureMap.Of<LongBtreeHeader>(io => Made(new Xfs.BtreeLongHeader(io), s => s._read()),
        "Magic=magic Level=level RecordCount=numrecs LeftSibling=leftsib RightSibling=rightsib BlockNumber=blkno Lsn=lsn Uuid=uuid Owner=owner Crc=crc Pad=pad");

    public static readonly StructureMap FreeSpaceRecord = StructureMap.Of<FreeSpaceRecord>(io => Made(new Xfs.AllocRec(io), s => s._read()),
        "Start=startblock Count=blockcount");

    public static readonly StructureMap InodeChunkRecord = StructureMap.Of<InodeChunkRecord>(io => Made(new Xfs.InobtRec(io), s => s._read()),
        "Start=startino HoleMask=holemask Count=count FreeCount=freecount Free=free");

    private const string RmapOffset = "Offset=attrfork+bmbtblock+extentflag+reserved+offset";

    public static readonly StructureMap RmapRecord = StructureMap.Of<RmapRecord>(io => Made(new Xfs.RmapRec(io), s => s._read()),
        "Start=startblock Count=blockcount Owner=owner " + RmapOffset);

    public static readonly StructureMap RmapKey = StructureMap.Of<RmapKey>(io => Made(new Xfs.RmapKey(io), s => s._read()),
        "Start=startblock Owner=owner " + RmapOffset);

    public static readonly StructureMap RefcountRecord = StructureMap.Of<RefcountRecord>(io => Made(new Xfs.RefcountRec(io), s => s._read()),
        "Start=cowflag+startblock Count=blockcount Refcount=refcount");

    public static readonly StructureMap PackedExtent = StructureMap.Of<PackedExtent>(io => Made(new Xfs.BmbtRec(io), s => s._read()),
        "High+Low=extentflag+startoff+startblock+blockcount");

    public static readonly StructureMap BmbtInodeRoot = StructureMap.Of<BmbtInodeRoot>(io => Made(new Xfs.ForkBtree(io), s => ReadRoot(s)), "Level=level RecordCount=numrecs");

    public static readonly StructureMap InodeCore = StructureMap.Of<InodeCore>(io => Made(new Xfs.DinodeCore(false, io), s => s._read()), """
        Magic=magic Mode=mode Version=version DataFormat=format OldLinkCount=onlink Uid=uid Gid=gid LinkCount=nlink ProjectLow=projid_lo
        ProjectHigh=projid_hi BigExtentCount=big_nextents AccessTime=atime ModifyTime=mtime ChangeTime=ctime FileSize=size
        BlockCount=nblocks ExtentSizeHint=extsize ExtentCount32=old_nextents AttrExtentCount16=old_anextents ForkOffset=forkoff
        AttrFormat=aformat DmEventMask=dmevmask DmState=dmstate RawFlags=flags Generation=gen NextUnlinked=next_unlinked Crc=crc
        ChangeCount=change_count Lsn=lsn RawFlags2=flags2 CowExtentSizeHint=cowextsize Padding=pad CreateTime=crtime Number=ino Uuid=uuid
        """);

    public static readonly StructureMap DirectoryDataHeader = StructureMap.Of<DirectoryDataHeader>(io => Made(new Xfs.DirDataHeader(io), s => s._read()), """
        Magic=magic Crc=crc BlockNumber=blkno Lsn=lsn Uuid=uuid Owner=owner BestFree0=best_free[0] BestFree1=best_free[1]
        BestFree2=best_free[2] Pad=pad
        """);

    public static readonly StructureMap BestFree = StructureMap.Of<BestFree>(io => Made(new Xfs.DirDataFree(io), s => s._read()), "Offset=offset Length=length");

    public static readonly StructureMap DirectoryLeafEntry = StructureMap.Of<DirectoryLeafEntry>(io => Made(new Xfs.DirLeafEntry(io), s => s._read()),
        "Hash=hashval Address=address");

    public static readonly StructureMap DirectoryBlockTail = StructureMap.Of<DirectoryBlockTail>(io => Made(new Xfs.DirBlockTail(io), s => s._read()),
        "Count=count Stale=stale");

    private const string DaInfo = "Forward=info.forw Back=info.back Magic=info.magic Pad=info.pad Crc=info.crc BlockNumber=info.blkno Lsn=info.lsn Uuid=info.uuid Owner=info.owner Count=count Pad2=pad ";

    /// <summary>A leaf; a node says level where a leaf says stale.</summary>
    public static readonly StructureMap DaLeafHeader = StructureMap.Of<DaBlockHeader>(io => Made(new Xfs.DirLeafHeader(io), s => s._read()), DaInfo + "StaleOrLevel=stale");

    public static readonly StructureMap DaNodeHeader = StructureMap.Of<DaBlockHeader>(io => Made(new Xfs.DaNodeHeader(io), s => s._read()), DaInfo + "StaleOrLevel=level");

    public static readonly StructureMap DaNodeEntry = StructureMap.Of<DaNodeEntry>(io => Made(new Xfs.DaNodeEntry(io), s => s._read()), "Hash=hashval Before=before");

    public static readonly StructureMap DirectoryFreeHeader = StructureMap.Of<DirectoryFreeHeader>(io => Made(new Xfs.DirFreeHeader(io), s => s._read()),
        "Magic=magic Crc=crc BlockNumber=blkno Lsn=lsn Uuid=uuid Owner=owner FirstDataBlock=firstdb ValidCount=nvalid UsedCount=nused Pad=pad");

    public static readonly StructureMap RemoteHeader = StructureMap.Of<RemoteHeader>(io => Made(new Xfs.RemoteHeader(io), s => s._read()),
        "Magic=magic Offset=offset Bytes=bytes Crc=crc Uuid=uuid Owner=owner BlockNumber=blkno Lsn=lsn");

    /// <summary>Our struct leaves out the 56 bytes that <see cref="DaLeafHeader"/> has as well.</summary>
    public static readonly StructureMap AttributeLeafHeader = StructureMap.Of<AttributeLeafHeader>(
        io => Made(new Xfs.AttrLeafHeader(new KaitaiStream([.. new byte[AttributeLeafHeaderStart], .. io.ReadBytesFull()])), s => s._read()),
        "Count=count UsedBytes=usedbytes FirstUsed=firstused Holes=holes Pad1=pad1 Free0=freemap[0] Free1=freemap[1] Free2=freemap[2] Pad2=pad2");

    public const int AttributeLeafHeaderStart = 56;

    public static readonly StructureMap FreeRegion = StructureMap.Of<AttributeLeafHeader.FreeRegion>(io => Made(new Xfs.AttrFreemap(io), s => s._read()),
        "Base=base Length=size");

    public static readonly StructureMap AttributeLeafEntry = StructureMap.Of<AttributeLeafEntry>(io => Made(new Xfs.AttrLeafEntry(io), s => s._read()),
        "Hash=hashval NameIndex=nameidx RawFlags=flags.incomplete+flags.reserved+flags.parent+flags.secure+flags.root+flags.local Pad=pad");

    public static readonly StructureMap ParentPointer = StructureMap.Of<ParentPointer>(io => Made(new Xfs.ParentRec(io), s => s._read()), "Inode=ino Generation=gen");

    public static readonly StructureMap LogRecordHeader = StructureMap.Of<LogRecordHeader>(io => Made(new Xfs.LogRecordHeader(io), s => s._read()), """
        Magic=magicno Cycle=cycle Version=version Length=len Lsn=lsn TailLsn=tail_lsn Crc=crc PreviousBlock=prev_block
        OperationCount=num_logops CycleData=cycle_data Format=fmt Uuid=fs_uuid RecordSize=size Pad=pad
        """);

    public static readonly StructureMap LogOperationHeader = StructureMap.Of<LogOperationHeader>(io => Made(new Xfs.LogOpHeader(io), s => s._read()),
        "TransactionId=tid Length=len Client=clientid Flags=reserved1+unmount+end+was_cont+cont+commit+start Reserved=res2");

    public static IEnumerable<StructureMap> All => typeof(StructureMaps).GetFields(BindingFlags.Static | BindingFlags.Public)
        .Where(one => one.FieldType == typeof(StructureMap)).Select(one => (StructureMap)one.GetValue(null)!);

    private static (KaitaiStruct, Action) Made<T>(T structure, Action<T> read) where T : KaitaiStruct => (structure, () => read(structure));

    // A root of four bytes has no room for keys: that its record count is impossible then is not the point here.
    private static void ReadRoot(Xfs.ForkBtree root)
    {
        try
        {
            root._read();
        }
        catch (ValidationFailedError) { }
    }
}
