// This is a generated file! Please edit source .ksy file and use kaitai-struct-compiler to rebuild

using System.Collections.Generic;
using System;

namespace Kaitai
{

    /// <summary>
    /// The on-disk format of XFS version 5. Numbers are big-endian, except checksums (crc32c) and what a log item
    /// says about itself, which are little-endian.
    ///
    /// Field names are XFS's own, without the prefix that repeats the structure's name. Structures that fill a sector, a
    /// block, an inode or a log record are read from a stream of exactly that size, so that `_io.size` bounds every count
    /// and every offset in them and none of them needs the superblock.
    ///
    /// Not described: version 4, the realtime device, and what only the metadata directory tree brings.
    /// </summary>
    public partial class Xfs : KaitaiStruct
    {
        public static Xfs FromFile(string fileName)
        {
            return new Xfs(new KaitaiStream(fileName));
        }


        public enum AttrOp
        {
            Set = 1,
            Remove = 2,
            Replace = 3,
            ParentSet = 4,
            ParentRemove = 5,
            ParentReplace = 6,
        }

        public enum BmapOp
        {
            Map = 1,
            Unmap = 2,
        }

        public enum BtreeMagic
        {
            Bnobt = 1094857538,
            Cntbt = 1094857539,
            Bmbt = 1112359219,
            Finobt = 1179206195,
            Inobt = 1229013555,
            Refcountbt = 1379092035,
            Rmapbt = 1380794931,
        }

        public enum DaMagic
        {
            AttrLeaf = 15342,
            Leaf1 = 15857,
            Leafn = 15871,
            Node = 16062,
        }

        public enum DinodeFmt
        {
            Dev = 0,
            Local = 1,
            Extents = 2,
            Btree = 3,
            Uuid = 4,
            MetaBtree = 5,
        }

        public enum DinodeMagic
        {
            In = 18766,
        }

        public enum DirMagic
        {
            Xdb3 = 1480868403,
            Xdd3 = 1480868915,
            Xdf3 = 1480869427,
        }

        public enum DirentType
        {
            Unknown = 0,
            Regular = 1,
            Directory = 2,
            CharDevice = 3,
            BlockDevice = 4,
            Fifo = 5,
            Socket = 6,
            Symlink = 7,
            Whiteout = 8,
        }

        public enum FileType
        {
            None = 0,
            Fifo = 1,
            CharDevice = 2,
            Directory = 4,
            BlockDevice = 6,
            Regular = 8,
            Symlink = 10,
            Socket = 12,
        }

        public enum ForkKind
        {
            Unknown = 0,
            Dev = 1,
            Extents = 2,
            Btree = 3,
            Local = 4,
            Directory = 5,
            Symlink = 6,
            Attributes = 7,
        }

        public enum LogBufType
        {
            Unknown = 0,
            Udquot = 1,
            Pdquot = 2,
            Gdquot = 3,
            Btree = 4,
            Agf = 5,
            Agfl = 6,
            Agi = 7,
            Dino = 8,
            Symlink = 9,
            DirBlock = 10,
            DirData = 11,
            DirFree = 12,
            DirLeaf1 = 13,
            DirLeafn = 14,
            DaNode = 15,
            AttrLeaf = 16,
            AttrRemote = 17,
            Superblock = 18,
            RtBitmap = 19,
            RtSummary = 20,
        }

        public enum LogItemType
        {
            Efi = 4662,
            Efd = 4663,
            Iunlink = 4664,
            Inode = 4667,
            Buf = 4668,
            Dquot = 4669,
            Quotaoff = 4670,
            Icreate = 4671,
            Rui = 4672,
            Rud = 4673,
            Cui = 4674,
            Cud = 4675,
            Bui = 4676,
            Bud = 4677,
            Attri = 4678,
            Attrd = 4679,
            Xmi = 4680,
            Xmd = 4681,
            EfiRt = 4682,
            EfdRt = 4683,
            RuiRt = 4684,
            RudRt = 4685,
            CuiRt = 4686,
            CudRt = 4687,
        }

        public enum RefcountOp
        {
            Increase = 1,
            Decrease = 2,
            AllocCow = 3,
            FreeCow = 4,
        }

        public enum RemoteMagic
        {
            Xarm = 1480675917,
            Xslm = 1481854029,
        }

        public enum RmapOp
        {
            Map = 1,
            MapShared = 2,
            Unmap = 3,
            UnmapShared = 4,
            Convert = 5,
            ConvertShared = 6,
            Alloc = 7,
            Free = 8,
        }
        public Xfs(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
        {
            m_parent = p__parent;
            m_root = p__root ?? this;
            f_agSize = false;
            f_ags = false;
            f_agsInStream = false;
            f_blockSize = false;
            f_dirBlockSize = false;
            f_inodeSize = false;
            f_logFirstRecord = false;
            f_logOffset = false;
            f_sectorSize = false;
        }
        public void _read()
        {
            _sb = new Superblock(m_io, this, m_root);
            _sb._read();
            {
                Superblock M_ = _sb;
                if (!( ((M_.Magicnum == Superblock.Magics.Xfsb) && (M_.Blocklog >= 9) && (M_.Blocklog <= 16) && (M_.Sectlog >= 9) && (M_.Sectlog <= 15) && (M_.Inodelog >= 8) && (M_.Inodelog <= 11) && (M_.Inopblog == M_.Blocklog - M_.Inodelog) && (M_.Agblklog >= 1) && (M_.Agblklog <= 31) && (M_.Agblocks >= 1) && (M_.Agcount >= 1) && (M_.Dirblklog <= 16 - M_.Blocklog)) ))
                {
                    throw new ValidationExprError(_sb, m_io, "/seq/0");
                }
            }
        }

        /// <summary>
        /// xfs_agf, sector 1 of a group. Roots and levels of the trees of space, the state of the free list, counters.
        /// </summary>
        public partial class Agf : KaitaiStruct
        {
            public static Agf FromFile(string fileName)
            {
                return new Agf(new KaitaiStream(fileName));
            }


            public enum Magics
            {
                Xagf = 1480673094,
            }
            public Agf(KaitaiStream p__io, Xfs.AllocationGroup p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _magicnum = ((Magics) m_io.ReadU4be());
                _versionnum = m_io.ReadU4be();
                _seqno = m_io.ReadU4be();
                _length = m_io.ReadU4be();
                _bnoroot = m_io.ReadU4be();
                _cntroot = m_io.ReadU4be();
                _rmaproot = m_io.ReadU4be();
                _bnolevel = m_io.ReadU4be();
                _cntlevel = m_io.ReadU4be();
                _rmaplevel = m_io.ReadU4be();
                _flfirst = m_io.ReadU4be();
                _fllast = m_io.ReadU4be();
                _flcount = m_io.ReadU4be();
                _freeblks = m_io.ReadU4be();
                _longest = m_io.ReadU4be();
                _btreeblks = m_io.ReadU4be();
                _uuid = m_io.ReadBytes(16);
                _rmapblocks = m_io.ReadU4be();
                _refcntblocks = m_io.ReadU4be();
                _refcntroot = m_io.ReadU4be();
                _refcntlevel = m_io.ReadU4be();
                _spare = m_io.ReadBytes(112);
                _lsn = m_io.ReadU8be();
                _crc = m_io.ReadU4le();
                _pad = m_io.ReadU4be();
            }
            private Magics _magicnum;
            private uint _versionnum;
            private uint _seqno;
            private uint _length;
            private uint _bnoroot;
            private uint _cntroot;
            private uint _rmaproot;
            private uint _bnolevel;
            private uint _cntlevel;
            private uint _rmaplevel;
            private uint _flfirst;
            private uint _fllast;
            private uint _flcount;
            private uint _freeblks;
            private uint _longest;
            private uint _btreeblks;
            private byte[] _uuid;
            private uint _rmapblocks;
            private uint _refcntblocks;
            private uint _refcntroot;
            private uint _refcntlevel;
            private byte[] _spare;
            private ulong _lsn;
            private uint _crc;
            private uint _pad;
            private Xfs m_root;
            private Xfs.AllocationGroup m_parent;
            public Magics Magicnum { get { return _magicnum; } }
            public uint Versionnum { get { return _versionnum; } }
            public uint Seqno { get { return _seqno; } }
            public uint Length { get { return _length; } }
            public uint Bnoroot { get { return _bnoroot; } }
            public uint Cntroot { get { return _cntroot; } }
            public uint Rmaproot { get { return _rmaproot; } }
            public uint Bnolevel { get { return _bnolevel; } }
            public uint Cntlevel { get { return _cntlevel; } }
            public uint Rmaplevel { get { return _rmaplevel; } }
            public uint Flfirst { get { return _flfirst; } }
            public uint Fllast { get { return _fllast; } }
            public uint Flcount { get { return _flcount; } }
            public uint Freeblks { get { return _freeblks; } }
            public uint Longest { get { return _longest; } }

            /// <summary>
            /// Blocks of bnobt, cntbt and rmapbt without their roots.
            /// </summary>
            public uint Btreeblks { get { return _btreeblks; } }
            public byte[] Uuid { get { return _uuid; } }
            public uint Rmapblocks { get { return _rmapblocks; } }
            public uint Refcntblocks { get { return _refcntblocks; } }
            public uint Refcntroot { get { return _refcntroot; } }
            public uint Refcntlevel { get { return _refcntlevel; } }
            public byte[] Spare { get { return _spare; } }
            public ulong Lsn { get { return _lsn; } }
            public uint Crc { get { return _crc; } }
            public uint Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.AllocationGroup M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_agfl, sector 3 of a group. A ring of block numbers; the AGF says which slots are in use.
        /// </summary>
        public partial class Agfl : KaitaiStruct
        {
            public static Agfl FromFile(string fileName)
            {
                return new Agfl(new KaitaiStream(fileName));
            }

            public Agfl(KaitaiStream p__io, Xfs.AllocationGroup p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _header = new AgflHeader(m_io, this, m_root);
                _header._read();
                _bno = new List<uint>();
                for (var i = 0; i < (M_Io.Size - 36) / 4; i++)
                {
                    _bno.Add(m_io.ReadU4be());
                }
            }
            private AgflHeader _header;
            private List<uint> _bno;
            private Xfs m_root;
            private Xfs.AllocationGroup m_parent;
            public AgflHeader Header { get { return _header; } }
            public List<uint> Bno { get { return _bno; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.AllocationGroup M_Parent { get { return m_parent; } }
        }
        public partial class AgflHeader : KaitaiStruct
        {
            public static AgflHeader FromFile(string fileName)
            {
                return new AgflHeader(new KaitaiStream(fileName));
            }


            public enum Magics
            {
                Xafl = 1480672844,
            }
            public AgflHeader(KaitaiStream p__io, Xfs.Agfl p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _magicnum = ((Magics) m_io.ReadU4be());
                _seqno = m_io.ReadU4be();
                _uuid = m_io.ReadBytes(16);
                _lsn = m_io.ReadU8be();
                _crc = m_io.ReadU4le();
            }
            private Magics _magicnum;
            private uint _seqno;
            private byte[] _uuid;
            private ulong _lsn;
            private uint _crc;
            private Xfs m_root;
            private Xfs.Agfl m_parent;
            public Magics Magicnum { get { return _magicnum; } }
            public uint Seqno { get { return _seqno; } }
            public byte[] Uuid { get { return _uuid; } }
            public ulong Lsn { get { return _lsn; } }
            public uint Crc { get { return _crc; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.Agfl M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_agi, sector 2 of a group. Roots of the inode trees, counters, and the lists of inodes without a name.
        /// </summary>
        public partial class Agi : KaitaiStruct
        {
            public static Agi FromFile(string fileName)
            {
                return new Agi(new KaitaiStream(fileName));
            }


            public enum Magics
            {
                Xagi = 1480673097,
            }
            public Agi(KaitaiStream p__io, Xfs.AllocationGroup p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _magicnum = ((Magics) m_io.ReadU4be());
                _versionnum = m_io.ReadU4be();
                _seqno = m_io.ReadU4be();
                _length = m_io.ReadU4be();
                _count = m_io.ReadU4be();
                _root = m_io.ReadU4be();
                _level = m_io.ReadU4be();
                _freecount = m_io.ReadU4be();
                _newino = m_io.ReadU4be();
                _dirino = m_io.ReadU4be();
                _unlinked = new List<uint>();
                for (var i = 0; i < 64; i++)
                {
                    _unlinked.Add(m_io.ReadU4be());
                }
                _uuid = m_io.ReadBytes(16);
                _crc = m_io.ReadU4le();
                _pad = m_io.ReadU4be();
                _lsn = m_io.ReadU8be();
                _freeRoot = m_io.ReadU4be();
                _freeLevel = m_io.ReadU4be();
                _inoBlocks = m_io.ReadU4be();
                _finoBlocks = m_io.ReadU4be();
            }
            private Magics _magicnum;
            private uint _versionnum;
            private uint _seqno;
            private uint _length;
            private uint _count;
            private uint _root;
            private uint _level;
            private uint _freecount;
            private uint _newino;
            private uint _dirino;
            private List<uint> _unlinked;
            private byte[] _uuid;
            private uint _crc;
            private uint _pad;
            private ulong _lsn;
            private uint _freeRoot;
            private uint _freeLevel;
            private uint _inoBlocks;
            private uint _finoBlocks;
            private Xfs m_root;
            private Xfs.AllocationGroup m_parent;
            public Magics Magicnum { get { return _magicnum; } }
            public uint Versionnum { get { return _versionnum; } }
            public uint Seqno { get { return _seqno; } }
            public uint Length { get { return _length; } }
            public uint Count { get { return _count; } }
            public uint Root { get { return _root; } }
            public uint Level { get { return _level; } }
            public uint Freecount { get { return _freecount; } }
            public uint Newino { get { return _newino; } }
            public uint Dirino { get { return _dirino; } }

            /// <summary>
            /// First agino of each list, all ones if it is empty. An inode is on list agino mod 64.
            /// </summary>
            public List<uint> Unlinked { get { return _unlinked; } }
            public byte[] Uuid { get { return _uuid; } }
            public uint Crc { get { return _crc; } }
            public uint Pad { get { return _pad; } }
            public ulong Lsn { get { return _lsn; } }
            public uint FreeRoot { get { return _freeRoot; } }
            public uint FreeLevel { get { return _freeLevel; } }
            public uint InoBlocks { get { return _inoBlocks; } }
            public uint FinoBlocks { get { return _finoBlocks; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.AllocationGroup M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// A run of free blocks; record and key of bnobt and cntbt.
        /// </summary>
        public partial class AllocRec : KaitaiStruct
        {
            public static AllocRec FromFile(string fileName)
            {
                return new AllocRec(new KaitaiStream(fileName));
            }

            public AllocRec(KaitaiStream p__io, Xfs.BtreeShortBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _startblock = m_io.ReadU4be();
                _blockcount = m_io.ReadU4be();
            }
            private uint _startblock;
            private uint _blockcount;
            private Xfs m_root;
            private Xfs.BtreeShortBlock m_parent;
            public uint Startblock { get { return _startblock; } }
            public uint Blockcount { get { return _blockcount; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.BtreeShortBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// Where the headers and the roots of one group are. Reading one root does not read the others.
        /// </summary>
        public partial class AllocationGroup : KaitaiStruct
        {
            public AllocationGroup(int p_number, KaitaiStream p__io, Xfs p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _number = p_number;
                f_agf = false;
                f_agfl = false;
                f_agi = false;
                f_bnobtRoot = false;
                f_cntbtRoot = false;
                f_finobtRoot = false;
                f_inobtRoot = false;
                f_offset = false;
                f_refcountbtRoot = false;
                f_rmapbtRoot = false;
                f_superblockCopy = false;
            }
            public void _read()
            {
            }
            private bool f_agf;
            private Agf _agf;
            public Agf Agf
            {
                get
                {
                    if (f_agf)
                        return _agf;
                    f_agf = true;
                    long _pos = m_io.Pos;
                    m_io.Seek(Offset + M_Root.SectorSize);
                    __raw_agf = m_io.ReadBytes(M_Root.SectorSize);
                    var io___raw_agf = new KaitaiStream(__raw_agf);
                    _agf = new Agf(io___raw_agf, this, m_root);
                    _agf._read();
                    m_io.Seek(_pos);
                    return _agf;
                }
            }
            private bool f_agfl;
            private Agfl _agfl;
            public Agfl Agfl
            {
                get
                {
                    if (f_agfl)
                        return _agfl;
                    f_agfl = true;
                    long _pos = m_io.Pos;
                    m_io.Seek(Offset + 3 * M_Root.SectorSize);
                    __raw_agfl = m_io.ReadBytes(M_Root.SectorSize);
                    var io___raw_agfl = new KaitaiStream(__raw_agfl);
                    _agfl = new Agfl(io___raw_agfl, this, m_root);
                    _agfl._read();
                    m_io.Seek(_pos);
                    return _agfl;
                }
            }
            private bool f_agi;
            private Agi _agi;
            public Agi Agi
            {
                get
                {
                    if (f_agi)
                        return _agi;
                    f_agi = true;
                    long _pos = m_io.Pos;
                    m_io.Seek(Offset + 2 * M_Root.SectorSize);
                    __raw_agi = m_io.ReadBytes(M_Root.SectorSize);
                    var io___raw_agi = new KaitaiStream(__raw_agi);
                    _agi = new Agi(io___raw_agi, this, m_root);
                    _agi._read();
                    m_io.Seek(_pos);
                    return _agi;
                }
            }
            private bool f_bnobtRoot;
            private BtreeShortBlock _bnobtRoot;
            public BtreeShortBlock BnobtRoot
            {
                get
                {
                    if (f_bnobtRoot)
                        return _bnobtRoot;
                    f_bnobtRoot = true;
                    long _pos = m_io.Pos;
                    m_io.Seek(Offset + (((long) (Agf.Bnoroot)) << M_Root.Sb.Blocklog));
                    __raw_bnobtRoot = m_io.ReadBytes(M_Root.BlockSize);
                    var io___raw_bnobtRoot = new KaitaiStream(__raw_bnobtRoot);
                    _bnobtRoot = new BtreeShortBlock(io___raw_bnobtRoot, this, m_root);
                    _bnobtRoot._read();
                    m_io.Seek(_pos);
                    return _bnobtRoot;
                }
            }
            private bool f_cntbtRoot;
            private BtreeShortBlock _cntbtRoot;
            public BtreeShortBlock CntbtRoot
            {
                get
                {
                    if (f_cntbtRoot)
                        return _cntbtRoot;
                    f_cntbtRoot = true;
                    long _pos = m_io.Pos;
                    m_io.Seek(Offset + (((long) (Agf.Cntroot)) << M_Root.Sb.Blocklog));
                    __raw_cntbtRoot = m_io.ReadBytes(M_Root.BlockSize);
                    var io___raw_cntbtRoot = new KaitaiStream(__raw_cntbtRoot);
                    _cntbtRoot = new BtreeShortBlock(io___raw_cntbtRoot, this, m_root);
                    _cntbtRoot._read();
                    m_io.Seek(_pos);
                    return _cntbtRoot;
                }
            }
            private bool f_finobtRoot;
            private BtreeShortBlock _finobtRoot;
            public BtreeShortBlock FinobtRoot
            {
                get
                {
                    if (f_finobtRoot)
                        return _finobtRoot;
                    f_finobtRoot = true;
                    if (M_Root.Sb.HasFinobt) {
                        long _pos = m_io.Pos;
                        m_io.Seek(Offset + (((long) (Agi.FreeRoot)) << M_Root.Sb.Blocklog));
                        __raw_finobtRoot = m_io.ReadBytes(M_Root.BlockSize);
                        var io___raw_finobtRoot = new KaitaiStream(__raw_finobtRoot);
                        _finobtRoot = new BtreeShortBlock(io___raw_finobtRoot, this, m_root);
                        _finobtRoot._read();
                        m_io.Seek(_pos);
                    }
                    return _finobtRoot;
                }
            }
            private bool f_inobtRoot;
            private BtreeShortBlock _inobtRoot;
            public BtreeShortBlock InobtRoot
            {
                get
                {
                    if (f_inobtRoot)
                        return _inobtRoot;
                    f_inobtRoot = true;
                    long _pos = m_io.Pos;
                    m_io.Seek(Offset + (((long) (Agi.Root)) << M_Root.Sb.Blocklog));
                    __raw_inobtRoot = m_io.ReadBytes(M_Root.BlockSize);
                    var io___raw_inobtRoot = new KaitaiStream(__raw_inobtRoot);
                    _inobtRoot = new BtreeShortBlock(io___raw_inobtRoot, this, m_root);
                    _inobtRoot._read();
                    m_io.Seek(_pos);
                    return _inobtRoot;
                }
            }
            private bool f_offset;
            private long _offset;
            public long Offset
            {
                get
                {
                    if (f_offset)
                        return _offset;
                    f_offset = true;
                    _offset = (long) (((long) (((long) (Number)) * M_Root.AgSize)));
                    return _offset;
                }
            }
            private bool f_refcountbtRoot;
            private BtreeShortBlock _refcountbtRoot;
            public BtreeShortBlock RefcountbtRoot
            {
                get
                {
                    if (f_refcountbtRoot)
                        return _refcountbtRoot;
                    f_refcountbtRoot = true;
                    if (M_Root.Sb.HasReflink) {
                        long _pos = m_io.Pos;
                        m_io.Seek(Offset + (((long) (Agf.Refcntroot)) << M_Root.Sb.Blocklog));
                        __raw_refcountbtRoot = m_io.ReadBytes(M_Root.BlockSize);
                        var io___raw_refcountbtRoot = new KaitaiStream(__raw_refcountbtRoot);
                        _refcountbtRoot = new BtreeShortBlock(io___raw_refcountbtRoot, this, m_root);
                        _refcountbtRoot._read();
                        m_io.Seek(_pos);
                    }
                    return _refcountbtRoot;
                }
            }
            private bool f_rmapbtRoot;
            private BtreeShortBlock _rmapbtRoot;
            public BtreeShortBlock RmapbtRoot
            {
                get
                {
                    if (f_rmapbtRoot)
                        return _rmapbtRoot;
                    f_rmapbtRoot = true;
                    if (M_Root.Sb.HasRmapbt) {
                        long _pos = m_io.Pos;
                        m_io.Seek(Offset + (((long) (Agf.Rmaproot)) << M_Root.Sb.Blocklog));
                        __raw_rmapbtRoot = m_io.ReadBytes(M_Root.BlockSize);
                        var io___raw_rmapbtRoot = new KaitaiStream(__raw_rmapbtRoot);
                        _rmapbtRoot = new BtreeShortBlock(io___raw_rmapbtRoot, this, m_root);
                        _rmapbtRoot._read();
                        m_io.Seek(_pos);
                    }
                    return _rmapbtRoot;
                }
            }
            private bool f_superblockCopy;
            private Superblock _superblockCopy;
            public Superblock SuperblockCopy
            {
                get
                {
                    if (f_superblockCopy)
                        return _superblockCopy;
                    f_superblockCopy = true;
                    long _pos = m_io.Pos;
                    m_io.Seek(Offset);
                    __raw_superblockCopy = m_io.ReadBytes(M_Root.SectorSize);
                    var io___raw_superblockCopy = new KaitaiStream(__raw_superblockCopy);
                    _superblockCopy = new Superblock(io___raw_superblockCopy, this, m_root);
                    _superblockCopy._read();
                    m_io.Seek(_pos);
                    return _superblockCopy;
                }
            }
            private int _number;
            private Xfs m_root;
            private Xfs m_parent;
            private byte[] __raw_agf;
            private byte[] __raw_agfl;
            private byte[] __raw_agi;
            private byte[] __raw_bnobtRoot;
            private byte[] __raw_cntbtRoot;
            private byte[] __raw_finobtRoot;
            private byte[] __raw_inobtRoot;
            private byte[] __raw_refcountbtRoot;
            private byte[] __raw_rmapbtRoot;
            private byte[] __raw_superblockCopy;
            public int Number { get { return _number; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs M_Parent { get { return m_parent; } }
            public byte[] M_RawAgf { get { return __raw_agf; } }
            public byte[] M_RawAgfl { get { return __raw_agfl; } }
            public byte[] M_RawAgi { get { return __raw_agi; } }
            public byte[] M_RawBnobtRoot { get { return __raw_bnobtRoot; } }
            public byte[] M_RawCntbtRoot { get { return __raw_cntbtRoot; } }
            public byte[] M_RawFinobtRoot { get { return __raw_finobtRoot; } }
            public byte[] M_RawInobtRoot { get { return __raw_inobtRoot; } }
            public byte[] M_RawRefcountbtRoot { get { return __raw_refcountbtRoot; } }
            public byte[] M_RawRmapbtRoot { get { return __raw_rmapbtRoot; } }
            public byte[] M_RawSuperblockCopy { get { return __raw_superblockCopy; } }
        }
        public partial class AttrFlags : KaitaiStruct
        {
            public static AttrFlags FromFile(string fileName)
            {
                return new AttrFlags(new KaitaiStream(fileName));
            }

            public AttrFlags(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _incomplete = m_io.ReadBitsIntBe(1) != 0;
                _reserved = m_io.ReadBitsIntBe(3);
                _parent = m_io.ReadBitsIntBe(1) != 0;
                _secure = m_io.ReadBitsIntBe(1) != 0;
                _root = m_io.ReadBitsIntBe(1) != 0;
                _local = m_io.ReadBitsIntBe(1) != 0;
            }
            private bool _incomplete;
            private ulong _reserved;
            private bool _parent;
            private bool _secure;
            private bool _root;
            private bool _local;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public bool Incomplete { get { return _incomplete; } }
            public ulong Reserved { get { return _reserved; } }
            public bool Parent { get { return _parent; } }
            public bool Secure { get { return _secure; } }

            /// <summary>
            /// The namespace trusted; also where POSIX ACLs are.
            /// </summary>
            public bool Root { get { return _root; } }

            /// <summary>
            /// The value stands behind the name; leaf blocks only.
            /// </summary>
            public bool Local { get { return _local; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }
        public partial class AttrFreemap : KaitaiStruct
        {
            public static AttrFreemap FromFile(string fileName)
            {
                return new AttrFreemap(new KaitaiStream(fileName));
            }

            public AttrFreemap(KaitaiStream p__io, Xfs.AttrLeafHeader p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _base = m_io.ReadU2be();
                _size = m_io.ReadU2be();
            }
            private ushort _base;
            private ushort _size;
            private Xfs m_root;
            private Xfs.AttrLeafHeader m_parent;
            public ushort Base { get { return _base; } }
            public ushort Size { get { return _size; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.AttrLeafHeader M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_attr_leafblock. Entries sorted by hash grow from the front, names and small values from the end.
        /// </summary>
        public partial class AttrLeafBlock : KaitaiStruct
        {
            public static AttrLeafBlock FromFile(string fileName)
            {
                return new AttrLeafBlock(new KaitaiStream(fileName));
            }

            public AttrLeafBlock(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _header = new AttrLeafHeader(m_io, this, m_root);
                _header._read();
                {
                    AttrLeafHeader M_ = _header;
                    if (!(M_.Count <= (M_Io.Size - 80) / 8))
                    {
                        throw new ValidationExprError(_header, m_io, "/types/attr_leaf_block/seq/0");
                    }
                }
                _entries = new List<AttrLeafEntry>();
                for (var i = 0; i < Header.Count; i++)
                {
                    AttrLeafEntry _t_entries = new AttrLeafEntry(m_io, this, m_root);
                    try
                    {
                        _t_entries._read();
                    }
                    finally
                    {
                        _entries.Add(_t_entries);
                    }
                }
            }
            private AttrLeafHeader _header;
            private List<AttrLeafEntry> _entries;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public AttrLeafHeader Header { get { return _header; } }
            public List<AttrLeafEntry> Entries { get { return _entries; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }
        public partial class AttrLeafEntry : KaitaiStruct
        {
            public static AttrLeafEntry FromFile(string fileName)
            {
                return new AttrLeafEntry(new KaitaiStream(fileName));
            }

            public AttrLeafEntry(KaitaiStream p__io, Xfs.AttrLeafBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_local = false;
                f_remote = false;
            }
            public void _read()
            {
                _hashval = m_io.ReadU4be();
                _nameidx = m_io.ReadU2be();
                _flags = new AttrFlags(m_io, this, m_root);
                _flags._read();
                _pad = m_io.ReadU1();
            }
            private bool f_local;
            private AttrNameLocal _local;
            public AttrNameLocal Local
            {
                get
                {
                    if (f_local)
                        return _local;
                    f_local = true;
                    if (Flags.Local) {
                        long _pos = m_io.Pos;
                        m_io.Seek(Nameidx);
                        _local = new AttrNameLocal(Flags, m_io, this, m_root);
                        _local._read();
                        m_io.Seek(_pos);
                    }
                    return _local;
                }
            }
            private bool f_remote;
            private AttrNameRemote _remote;
            public AttrNameRemote Remote
            {
                get
                {
                    if (f_remote)
                        return _remote;
                    f_remote = true;
                    if (!(Flags.Local)) {
                        long _pos = m_io.Pos;
                        m_io.Seek(Nameidx);
                        _remote = new AttrNameRemote(m_io, this, m_root);
                        _remote._read();
                        m_io.Seek(_pos);
                    }
                    return _remote;
                }
            }
            private uint _hashval;
            private ushort _nameidx;
            private AttrFlags _flags;
            private byte _pad;
            private Xfs m_root;
            private Xfs.AttrLeafBlock m_parent;
            public uint Hashval { get { return _hashval; } }

            /// <summary>
            /// Where in the block the name is.
            /// </summary>
            public ushort Nameidx { get { return _nameidx; } }
            public AttrFlags Flags { get { return _flags; } }
            public byte Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.AttrLeafBlock M_Parent { get { return m_parent; } }
        }
        public partial class AttrLeafHeader : KaitaiStruct
        {
            public static AttrLeafHeader FromFile(string fileName)
            {
                return new AttrLeafHeader(new KaitaiStream(fileName));
            }

            public AttrLeafHeader(KaitaiStream p__io, Xfs.AttrLeafBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _info = new DaBlkinfo(m_io, this, m_root);
                _info._read();
                _count = m_io.ReadU2be();
                _usedbytes = m_io.ReadU2be();
                _firstused = m_io.ReadU2be();
                _holes = m_io.ReadU1();
                _pad1 = m_io.ReadU1();
                _freemap = new List<AttrFreemap>();
                for (var i = 0; i < 3; i++)
                {
                    AttrFreemap _t_freemap = new AttrFreemap(m_io, this, m_root);
                    try
                    {
                        _t_freemap._read();
                    }
                    finally
                    {
                        _freemap.Add(_t_freemap);
                    }
                }
                _pad2 = m_io.ReadU4be();
            }
            private DaBlkinfo _info;
            private ushort _count;
            private ushort _usedbytes;
            private ushort _firstused;
            private byte _holes;
            private byte _pad1;
            private List<AttrFreemap> _freemap;
            private uint _pad2;
            private Xfs m_root;
            private Xfs.AttrLeafBlock m_parent;
            public DaBlkinfo Info { get { return _info; } }
            public ushort Count { get { return _count; } }
            public ushort Usedbytes { get { return _usedbytes; } }
            public ushort Firstused { get { return _firstused; } }
            public byte Holes { get { return _holes; } }
            public byte Pad1 { get { return _pad1; } }
            public List<AttrFreemap> Freemap { get { return _freemap; } }
            public uint Pad2 { get { return _pad2; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.AttrLeafBlock M_Parent { get { return m_parent; } }
        }
        public partial class AttrNameLocal : KaitaiStruct
        {
            public AttrNameLocal(AttrFlags p_flags, KaitaiStream p__io, Xfs.AttrLeafEntry p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _flags = p_flags;
            }
            public void _read()
            {
                _valuelen = m_io.ReadU2be();
                _namelen = m_io.ReadU1();
                _name = System.Text.Encoding.GetEncoding("ISO-8859-1").GetString(m_io.ReadBytes(Namelen));
                __raw_value = m_io.ReadBytes(Valuelen);
                var io___raw_value = new KaitaiStream(__raw_value);
                _value = new AttrValue(Valuelen, Flags, Name, io___raw_value, this, m_root);
                _value._read();
            }
            private ushort _valuelen;
            private byte _namelen;
            private string _name;
            private AttrValue _value;
            private AttrFlags _flags;
            private Xfs m_root;
            private Xfs.AttrLeafEntry m_parent;
            private byte[] __raw_value;
            public ushort Valuelen { get { return _valuelen; } }
            public byte Namelen { get { return _namelen; } }
            public string Name { get { return _name; } }
            public AttrValue Value { get { return _value; } }
            public AttrFlags Flags { get { return _flags; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.AttrLeafEntry M_Parent { get { return m_parent; } }
            public byte[] M_RawValue { get { return __raw_value; } }
        }

        /// <summary>
        /// A name whose value fills blocks of its own in the attribute fork.
        /// </summary>
        public partial class AttrNameRemote : KaitaiStruct
        {
            public static AttrNameRemote FromFile(string fileName)
            {
                return new AttrNameRemote(new KaitaiStream(fileName));
            }

            public AttrNameRemote(KaitaiStream p__io, Xfs.AttrLeafEntry p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _valueblk = m_io.ReadU4be();
                _valuelen = m_io.ReadU4be();
                _namelen = m_io.ReadU1();
                _name = System.Text.Encoding.GetEncoding("ISO-8859-1").GetString(m_io.ReadBytes(Namelen));
            }
            private uint _valueblk;
            private uint _valuelen;
            private byte _namelen;
            private string _name;
            private Xfs m_root;
            private Xfs.AttrLeafEntry m_parent;

            /// <summary>
            /// First file block of the value.
            /// </summary>
            public uint Valueblk { get { return _valueblk; } }
            public uint Valuelen { get { return _valuelen; } }
            public byte Namelen { get { return _namelen; } }
            public string Name { get { return _name; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.AttrLeafEntry M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// One block of a value (XARM). Its lsn is all ones, since such blocks are not logged.
        /// </summary>
        public partial class AttrRemoteBlock : KaitaiStruct
        {
            public static AttrRemoteBlock FromFile(string fileName)
            {
                return new AttrRemoteBlock(new KaitaiStream(fileName));
            }

            public AttrRemoteBlock(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _header = new RemoteHeader(m_io, this, m_root);
                _header._read();
                {
                    RemoteHeader M_ = _header;
                    if (!(M_.Bytes <= M_Io.Size - 56))
                    {
                        throw new ValidationExprError(_header, m_io, "/types/attr_remote_block/seq/0");
                    }
                }
                _data = m_io.ReadBytes(Header.Bytes);
            }
            private RemoteHeader _header;
            private byte[] _data;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public RemoteHeader Header { get { return _header; } }
            public byte[] Data { get { return _data; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }
        public partial class AttrSfEntry : KaitaiStruct
        {
            public static AttrSfEntry FromFile(string fileName)
            {
                return new AttrSfEntry(new KaitaiStream(fileName));
            }

            public AttrSfEntry(KaitaiStream p__io, Xfs.ForkAttributes p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _namelen = m_io.ReadU1();
                _valuelen = m_io.ReadU1();
                _flags = new AttrFlags(m_io, this, m_root);
                _flags._read();
                _name = System.Text.Encoding.GetEncoding("ISO-8859-1").GetString(m_io.ReadBytes(Namelen));
                __raw_value = m_io.ReadBytes(Valuelen);
                var io___raw_value = new KaitaiStream(__raw_value);
                _value = new AttrValue(Valuelen, Flags, Name, io___raw_value, this, m_root);
                _value._read();
            }
            private byte _namelen;
            private byte _valuelen;
            private AttrFlags _flags;
            private string _name;
            private AttrValue _value;
            private Xfs m_root;
            private Xfs.ForkAttributes m_parent;
            private byte[] __raw_value;
            public byte Namelen { get { return _namelen; } }
            public byte Valuelen { get { return _valuelen; } }
            public AttrFlags Flags { get { return _flags; } }
            public string Name { get { return _name; } }
            public AttrValue Value { get { return _value; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.ForkAttributes M_Parent { get { return m_parent; } }
            public byte[] M_RawValue { get { return __raw_value; } }
        }

        /// <summary>
        /// A value, and what it means if its name says so.
        /// </summary>
        public partial class AttrValue : KaitaiStruct
        {
            public AttrValue(uint p_len, AttrFlags p_flags, string p_name, KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _len = p_len;
                _flags = p_flags;
                _name = p_name;
                f_acl = false;
                f_parent = false;
            }
            public void _read()
            {
                _bytes = m_io.ReadBytes(Len);
            }
            private bool f_acl;
            private PosixAcl _acl;
            public PosixAcl Acl
            {
                get
                {
                    if (f_acl)
                        return _acl;
                    f_acl = true;
                    if ( ((Flags.Root) && ( ((Name == "SGI_ACL_FILE") || (Name == "SGI_ACL_DEFAULT")) )) ) {
                        long _pos = m_io.Pos;
                        m_io.Seek(0);
                        _acl = new PosixAcl(m_io, this, m_root);
                        _acl._read();
                        m_io.Seek(_pos);
                    }
                    return _acl;
                }
            }
            private bool f_parent;
            private ParentRec _parent;
            public ParentRec Parent
            {
                get
                {
                    if (f_parent)
                        return _parent;
                    f_parent = true;
                    if (Flags.Parent) {
                        long _pos = m_io.Pos;
                        m_io.Seek(0);
                        _parent = new ParentRec(m_io, this, m_root);
                        _parent._read();
                        m_io.Seek(_pos);
                    }
                    return _parent;
                }
            }
            private byte[] _bytes;
            private uint _len;
            private AttrFlags _flags;
            private string _name;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public byte[] Bytes { get { return _bytes; } }
            public uint Len { get { return _len; } }
            public AttrFlags Flags { get { return _flags; } }
            public string Name { get { return _name; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }
        public partial class BmbtKey : KaitaiStruct
        {
            public static BmbtKey FromFile(string fileName)
            {
                return new BmbtKey(new KaitaiStream(fileName));
            }

            public BmbtKey(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _startoff = m_io.ReadU8be();
            }
            private ulong _startoff;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public ulong Startoff { get { return _startoff; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// One extent of a file, in extent lists and in leaves of a bmbt.
        /// </summary>
        public partial class BmbtRec : KaitaiStruct
        {
            public static BmbtRec FromFile(string fileName)
            {
                return new BmbtRec(new KaitaiStream(fileName));
            }

            public BmbtRec(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _extentflag = m_io.ReadBitsIntBe(1) != 0;
                _startoff = m_io.ReadBitsIntBe(54);
                _startblock = m_io.ReadBitsIntBe(52);
                _blockcount = m_io.ReadBitsIntBe(21);
            }
            private bool _extentflag;
            private ulong _startoff;
            private ulong _startblock;
            private ulong _blockcount;
            private Xfs m_root;
            private KaitaiStruct m_parent;

            /// <summary>
            /// Unwritten.
            /// </summary>
            public bool Extentflag { get { return _extentflag; } }
            public ulong Startoff { get { return _startoff; } }

            /// <summary>
            /// fsbno.
            /// </summary>
            public ulong Startblock { get { return _startblock; } }
            public ulong Blockcount { get { return _blockcount; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_btree_block of a bmbt; also the root of a bmbt as the log carries it. Laid out as btree_short_block, with
        /// block numbers of 8 bytes.
        /// </summary>
        public partial class BtreeLongBlock : KaitaiStruct
        {
            public static BtreeLongBlock FromFile(string fileName)
            {
                return new BtreeLongBlock(new KaitaiStream(fileName));
            }

            public BtreeLongBlock(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_maxrecs = false;
                f_ptrs = false;
            }
            public void _read()
            {
                _header = new BtreeLongHeader(m_io, this, m_root);
                _header._read();
                {
                    BtreeLongHeader M_ = _header;
                    if (!(M_.Numrecs <= Maxrecs))
                    {
                        throw new ValidationExprError(_header, m_io, "/types/btree_long_block/seq/0");
                    }
                }
                if (Header.Level == 0) {
                    _recs = new List<BmbtRec>();
                    for (var i = 0; i < Header.Numrecs; i++)
                    {
                        BmbtRec _t_recs = new BmbtRec(m_io, this, m_root);
                        try
                        {
                            _t_recs._read();
                        }
                        finally
                        {
                            _recs.Add(_t_recs);
                        }
                    }
                }
                if (Header.Level > 0) {
                    _keys = new List<BmbtKey>();
                    for (var i = 0; i < Header.Numrecs; i++)
                    {
                        BmbtKey _t_keys = new BmbtKey(m_io, this, m_root);
                        try
                        {
                            _t_keys._read();
                        }
                        finally
                        {
                            _keys.Add(_t_keys);
                        }
                    }
                }
            }
            private bool f_maxrecs;
            private int _maxrecs;
            public int Maxrecs
            {
                get
                {
                    if (f_maxrecs)
                        return _maxrecs;
                    f_maxrecs = true;
                    _maxrecs = (int) (((int) ((M_Io.Size - 72) / 16)));
                    return _maxrecs;
                }
            }
            private bool f_ptrs;
            private List<ulong> _ptrs;

            /// <summary>
            /// fsbno of the children.
            /// </summary>
            public List<ulong> Ptrs
            {
                get
                {
                    if (f_ptrs)
                        return _ptrs;
                    f_ptrs = true;
                    if (Header.Level > 0) {
                        long _pos = m_io.Pos;
                        m_io.Seek(72 + Maxrecs * 8);
                        _ptrs = new List<ulong>();
                        for (var i = 0; i < Header.Numrecs; i++)
                        {
                            _ptrs.Add(m_io.ReadU8be());
                        }
                        m_io.Seek(_pos);
                    }
                    return _ptrs;
                }
            }
            private BtreeLongHeader _header;
            private List<BmbtRec> _recs;
            private List<BmbtKey> _keys;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public BtreeLongHeader Header { get { return _header; } }
            public List<BmbtRec> Recs { get { return _recs; } }
            public List<BmbtKey> Keys { get { return _keys; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// The 72 bytes before records or keys. Siblings are fsbno, the owner is an inode.
        /// </summary>
        public partial class BtreeLongHeader : KaitaiStruct
        {
            public static BtreeLongHeader FromFile(string fileName)
            {
                return new BtreeLongHeader(new KaitaiStream(fileName));
            }

            public BtreeLongHeader(KaitaiStream p__io, Xfs.BtreeLongBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _magic = ((Xfs.BtreeMagic) m_io.ReadU4be());
                _level = m_io.ReadU2be();
                _numrecs = m_io.ReadU2be();
                _leftsib = m_io.ReadU8be();
                _rightsib = m_io.ReadU8be();
                _blkno = m_io.ReadU8be();
                _lsn = m_io.ReadU8be();
                _uuid = m_io.ReadBytes(16);
                _owner = m_io.ReadU8be();
                _crc = m_io.ReadU4le();
                _pad = m_io.ReadU4be();
            }
            private BtreeMagic _magic;
            private ushort _level;
            private ushort _numrecs;
            private ulong _leftsib;
            private ulong _rightsib;
            private ulong _blkno;
            private ulong _lsn;
            private byte[] _uuid;
            private ulong _owner;
            private uint _crc;
            private uint _pad;
            private Xfs m_root;
            private Xfs.BtreeLongBlock m_parent;
            public BtreeMagic Magic { get { return _magic; } }
            public ushort Level { get { return _level; } }
            public ushort Numrecs { get { return _numrecs; } }
            public ulong Leftsib { get { return _leftsib; } }
            public ulong Rightsib { get { return _rightsib; } }
            public ulong Blkno { get { return _blkno; } }
            public ulong Lsn { get { return _lsn; } }
            public byte[] Uuid { get { return _uuid; } }
            public ulong Owner { get { return _owner; } }
            public uint Crc { get { return _crc; } }
            public uint Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.BtreeLongBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_btree_block of a tree inside a group. A leaf holds records; a node holds keys and, from where the last
        /// possible key would end, as many block numbers.
        /// </summary>
        public partial class BtreeShortBlock : KaitaiStruct
        {
            public static BtreeShortBlock FromFile(string fileName)
            {
                return new BtreeShortBlock(new KaitaiStream(fileName));
            }

            public BtreeShortBlock(KaitaiStream p__io, Xfs.AllocationGroup p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_isAlloc = false;
                f_isIno = false;
                f_keySize = false;
                f_maxrecs = false;
                f_ptrs = false;
                f_recSize = false;
            }
            public void _read()
            {
                _header = new BtreeShortHeader(m_io, this, m_root);
                _header._read();
                {
                    BtreeShortHeader M_ = _header;
                    if (!(M_.Numrecs <= Maxrecs))
                    {
                        throw new ValidationExprError(_header, m_io, "/types/btree_short_block/seq/0");
                    }
                }
                if (Header.Level == 0) {
                    _recs = new List<KaitaiStruct>();
                    for (var i = 0; i < Header.Numrecs; i++)
                    {
                        switch (Header.Magic) {
                        case Xfs.BtreeMagic.Bnobt: {
                            AllocRec _t_recs = new AllocRec(m_io, this, m_root);
                            try
                            {
                                ((AllocRec) (_t_recs))._read();
                            }
                            finally
                            {
                                _recs.Add(_t_recs);
                            }
                            break;
                        }
                        case Xfs.BtreeMagic.Cntbt: {
                            AllocRec _t_recs = new AllocRec(m_io, this, m_root);
                            try
                            {
                                ((AllocRec) (_t_recs))._read();
                            }
                            finally
                            {
                                _recs.Add(_t_recs);
                            }
                            break;
                        }
                        case Xfs.BtreeMagic.Finobt: {
                            InobtRec _t_recs = new InobtRec(m_io, this, m_root);
                            try
                            {
                                ((InobtRec) (_t_recs))._read();
                            }
                            finally
                            {
                                _recs.Add(_t_recs);
                            }
                            break;
                        }
                        case Xfs.BtreeMagic.Inobt: {
                            InobtRec _t_recs = new InobtRec(m_io, this, m_root);
                            try
                            {
                                ((InobtRec) (_t_recs))._read();
                            }
                            finally
                            {
                                _recs.Add(_t_recs);
                            }
                            break;
                        }
                        case Xfs.BtreeMagic.Refcountbt: {
                            RefcountRec _t_recs = new RefcountRec(m_io, this, m_root);
                            try
                            {
                                ((RefcountRec) (_t_recs))._read();
                            }
                            finally
                            {
                                _recs.Add(_t_recs);
                            }
                            break;
                        }
                        case Xfs.BtreeMagic.Rmapbt: {
                            RmapRec _t_recs = new RmapRec(m_io, this, m_root);
                            try
                            {
                                ((RmapRec) (_t_recs))._read();
                            }
                            finally
                            {
                                _recs.Add(_t_recs);
                            }
                            break;
                        }
                        }
                    }
                }
                if (Header.Level > 0) {
                    _keys = new List<KaitaiStruct>();
                    for (var i = 0; i < Header.Numrecs; i++)
                    {
                        switch (Header.Magic) {
                        case Xfs.BtreeMagic.Bnobt: {
                            AllocRec _t_keys = new AllocRec(m_io, this, m_root);
                            try
                            {
                                ((AllocRec) (_t_keys))._read();
                            }
                            finally
                            {
                                _keys.Add(_t_keys);
                            }
                            break;
                        }
                        case Xfs.BtreeMagic.Cntbt: {
                            AllocRec _t_keys = new AllocRec(m_io, this, m_root);
                            try
                            {
                                ((AllocRec) (_t_keys))._read();
                            }
                            finally
                            {
                                _keys.Add(_t_keys);
                            }
                            break;
                        }
                        case Xfs.BtreeMagic.Finobt: {
                            InobtKey _t_keys = new InobtKey(m_io, this, m_root);
                            try
                            {
                                ((InobtKey) (_t_keys))._read();
                            }
                            finally
                            {
                                _keys.Add(_t_keys);
                            }
                            break;
                        }
                        case Xfs.BtreeMagic.Inobt: {
                            InobtKey _t_keys = new InobtKey(m_io, this, m_root);
                            try
                            {
                                ((InobtKey) (_t_keys))._read();
                            }
                            finally
                            {
                                _keys.Add(_t_keys);
                            }
                            break;
                        }
                        case Xfs.BtreeMagic.Refcountbt: {
                            RefcountKey _t_keys = new RefcountKey(m_io, this, m_root);
                            try
                            {
                                ((RefcountKey) (_t_keys))._read();
                            }
                            finally
                            {
                                _keys.Add(_t_keys);
                            }
                            break;
                        }
                        case Xfs.BtreeMagic.Rmapbt: {
                            RmapKeyPair _t_keys = new RmapKeyPair(m_io, this, m_root);
                            try
                            {
                                ((RmapKeyPair) (_t_keys))._read();
                            }
                            finally
                            {
                                _keys.Add(_t_keys);
                            }
                            break;
                        }
                        }
                    }
                }
            }
            private bool f_isAlloc;
            private bool _isAlloc;
            public bool IsAlloc
            {
                get
                {
                    if (f_isAlloc)
                        return _isAlloc;
                    f_isAlloc = true;
                    _isAlloc = (bool) ( ((Header.Magic == Xfs.BtreeMagic.Bnobt) || (Header.Magic == Xfs.BtreeMagic.Cntbt)) );
                    return _isAlloc;
                }
            }
            private bool f_isIno;
            private bool _isIno;
            public bool IsIno
            {
                get
                {
                    if (f_isIno)
                        return _isIno;
                    f_isIno = true;
                    _isIno = (bool) ( ((Header.Magic == Xfs.BtreeMagic.Inobt) || (Header.Magic == Xfs.BtreeMagic.Finobt)) );
                    return _isIno;
                }
            }
            private bool f_keySize;
            private sbyte _keySize;

            /// <summary>
            /// In the rmapbt each child has two keys, the lowest and the highest.
            /// </summary>
            public sbyte KeySize
            {
                get
                {
                    if (f_keySize)
                        return _keySize;
                    f_keySize = true;
                    _keySize = (sbyte) ((IsAlloc ? 8 : (Header.Magic == Xfs.BtreeMagic.Rmapbt ? 40 : 4)));
                    return _keySize;
                }
            }
            private bool f_maxrecs;
            private int _maxrecs;

            /// <summary>
            /// What fits into the block.
            /// </summary>
            public int Maxrecs
            {
                get
                {
                    if (f_maxrecs)
                        return _maxrecs;
                    f_maxrecs = true;
                    _maxrecs = (int) (((int) ((M_Io.Size - 56) / (Header.Level == 0 ? RecSize : KeySize + 4))));
                    return _maxrecs;
                }
            }
            private bool f_ptrs;
            private List<uint> _ptrs;

            /// <summary>
            /// agbno of the children.
            /// </summary>
            public List<uint> Ptrs
            {
                get
                {
                    if (f_ptrs)
                        return _ptrs;
                    f_ptrs = true;
                    if (Header.Level > 0) {
                        long _pos = m_io.Pos;
                        m_io.Seek(56 + Maxrecs * KeySize);
                        _ptrs = new List<uint>();
                        for (var i = 0; i < Header.Numrecs; i++)
                        {
                            _ptrs.Add(m_io.ReadU4be());
                        }
                        m_io.Seek(_pos);
                    }
                    return _ptrs;
                }
            }
            private bool f_recSize;
            private sbyte _recSize;
            public sbyte RecSize
            {
                get
                {
                    if (f_recSize)
                        return _recSize;
                    f_recSize = true;
                    _recSize = (sbyte) ((IsAlloc ? 8 : (IsIno ? 16 : (Header.Magic == Xfs.BtreeMagic.Rmapbt ? 24 : 12))));
                    return _recSize;
                }
            }
            private BtreeShortHeader _header;
            private List<KaitaiStruct> _recs;
            private List<KaitaiStruct> _keys;
            private Xfs m_root;
            private Xfs.AllocationGroup m_parent;
            public BtreeShortHeader Header { get { return _header; } }
            public List<KaitaiStruct> Recs { get { return _recs; } }
            public List<KaitaiStruct> Keys { get { return _keys; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.AllocationGroup M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// The 56 bytes before records or keys. Siblings are agbno (all ones if there is none), the owner is the group.
        /// </summary>
        public partial class BtreeShortHeader : KaitaiStruct
        {
            public static BtreeShortHeader FromFile(string fileName)
            {
                return new BtreeShortHeader(new KaitaiStream(fileName));
            }

            public BtreeShortHeader(KaitaiStream p__io, Xfs.BtreeShortBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _magic = ((Xfs.BtreeMagic) m_io.ReadU4be());
                _level = m_io.ReadU2be();
                _numrecs = m_io.ReadU2be();
                _leftsib = m_io.ReadU4be();
                _rightsib = m_io.ReadU4be();
                _blkno = m_io.ReadU8be();
                _lsn = m_io.ReadU8be();
                _uuid = m_io.ReadBytes(16);
                _owner = m_io.ReadU4be();
                _crc = m_io.ReadU4le();
            }
            private BtreeMagic _magic;
            private ushort _level;
            private ushort _numrecs;
            private uint _leftsib;
            private uint _rightsib;
            private ulong _blkno;
            private ulong _lsn;
            private byte[] _uuid;
            private uint _owner;
            private uint _crc;
            private Xfs m_root;
            private Xfs.BtreeShortBlock m_parent;
            public BtreeMagic Magic { get { return _magic; } }
            public ushort Level { get { return _level; } }
            public ushort Numrecs { get { return _numrecs; } }
            public uint Leftsib { get { return _leftsib; } }
            public uint Rightsib { get { return _rightsib; } }

            /// <summary>
            /// Own address in units of 512 bytes.
            /// </summary>
            public ulong Blkno { get { return _blkno; } }
            public ulong Lsn { get { return _lsn; } }
            public byte[] Uuid { get { return _uuid; } }
            public uint Owner { get { return _owner; } }
            public uint Crc { get { return _crc; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.BtreeShortBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_da3_blkinfo, what the blocks of directories and attributes that are found by hash begin with. Neighbours are
        /// numbers of file blocks, 0 if there is none.
        /// </summary>
        public partial class DaBlkinfo : KaitaiStruct
        {
            public static DaBlkinfo FromFile(string fileName)
            {
                return new DaBlkinfo(new KaitaiStream(fileName));
            }

            public DaBlkinfo(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _forw = m_io.ReadU4be();
                _back = m_io.ReadU4be();
                _magic = ((Xfs.DaMagic) m_io.ReadU2be());
                _pad = m_io.ReadU2be();
                _crc = m_io.ReadU4le();
                _blkno = m_io.ReadU8be();
                _lsn = m_io.ReadU8be();
                _uuid = m_io.ReadBytes(16);
                _owner = m_io.ReadU8be();
            }
            private uint _forw;
            private uint _back;
            private DaMagic _magic;
            private ushort _pad;
            private uint _crc;
            private ulong _blkno;
            private ulong _lsn;
            private byte[] _uuid;
            private ulong _owner;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public uint Forw { get { return _forw; } }
            public uint Back { get { return _back; } }
            public DaMagic Magic { get { return _magic; } }
            public ushort Pad { get { return _pad; } }
            public uint Crc { get { return _crc; } }
            public ulong Blkno { get { return _blkno; } }
            public ulong Lsn { get { return _lsn; } }
            public byte[] Uuid { get { return _uuid; } }
            public ulong Owner { get { return _owner; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_da_intnode, a node above the leaves of a directory or an attribute fork.
        /// </summary>
        public partial class DaNodeBlock : KaitaiStruct
        {
            public static DaNodeBlock FromFile(string fileName)
            {
                return new DaNodeBlock(new KaitaiStream(fileName));
            }

            public DaNodeBlock(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _header = new DaNodeHeader(m_io, this, m_root);
                _header._read();
                {
                    DaNodeHeader M_ = _header;
                    if (!(M_.Count <= (M_Io.Size - 64) / 8))
                    {
                        throw new ValidationExprError(_header, m_io, "/types/da_node_block/seq/0");
                    }
                }
                _entries = new List<DaNodeEntry>();
                for (var i = 0; i < Header.Count; i++)
                {
                    DaNodeEntry _t_entries = new DaNodeEntry(m_io, this, m_root);
                    try
                    {
                        _t_entries._read();
                    }
                    finally
                    {
                        _entries.Add(_t_entries);
                    }
                }
            }
            private DaNodeHeader _header;
            private List<DaNodeEntry> _entries;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public DaNodeHeader Header { get { return _header; } }
            public List<DaNodeEntry> Entries { get { return _entries; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// The greatest hash below a child, and the child's file block.
        /// </summary>
        public partial class DaNodeEntry : KaitaiStruct
        {
            public static DaNodeEntry FromFile(string fileName)
            {
                return new DaNodeEntry(new KaitaiStream(fileName));
            }

            public DaNodeEntry(KaitaiStream p__io, Xfs.DaNodeBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _hashval = m_io.ReadU4be();
                _before = m_io.ReadU4be();
            }
            private uint _hashval;
            private uint _before;
            private Xfs m_root;
            private Xfs.DaNodeBlock m_parent;
            public uint Hashval { get { return _hashval; } }
            public uint Before { get { return _before; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.DaNodeBlock M_Parent { get { return m_parent; } }
        }
        public partial class DaNodeHeader : KaitaiStruct
        {
            public static DaNodeHeader FromFile(string fileName)
            {
                return new DaNodeHeader(new KaitaiStream(fileName));
            }

            public DaNodeHeader(KaitaiStream p__io, Xfs.DaNodeBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _info = new DaBlkinfo(m_io, this, m_root);
                _info._read();
                _count = m_io.ReadU2be();
                _level = m_io.ReadU2be();
                _pad = m_io.ReadU4be();
            }
            private DaBlkinfo _info;
            private ushort _count;
            private ushort _level;
            private uint _pad;
            private Xfs m_root;
            private Xfs.DaNodeBlock m_parent;
            public DaBlkinfo Info { get { return _info; } }
            public ushort Count { get { return _count; } }
            public ushort Level { get { return _level; } }
            public uint Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.DaNodeBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// An inode of version 3. Data fork and attribute fork share what the core leaves.
        /// </summary>
        public partial class Dinode : KaitaiStruct
        {
            public Dinode(bool p_hasFtype, KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _hasFtype = p_hasFtype;
                f_attrForkKind = false;
                f_dataForkKind = false;
                f_dataForkSize = false;
            }
            public void _read()
            {
                _core = new DinodeCore(false, m_io, this, m_root);
                _core._read();
                {
                    DinodeCore M_ = _core;
                    if (!(M_.Forkoff * 8 <= M_Io.Size - 176))
                    {
                        throw new ValidationExprError(_core, m_io, "/types/dinode/seq/0");
                    }
                }
                switch (DataForkKind) {
                case Xfs.ForkKind.Btree: {
                    __raw_dataFork = m_io.ReadBytes(DataForkSize);
                    var io___raw_dataFork = new KaitaiStream(__raw_dataFork);
                    _dataFork = new ForkBtree(io___raw_dataFork, this, m_root);
                    ((ForkBtree) (_dataFork))._read();
                    break;
                }
                case Xfs.ForkKind.Dev: {
                    __raw_dataFork = m_io.ReadBytes(DataForkSize);
                    var io___raw_dataFork = new KaitaiStream(__raw_dataFork);
                    _dataFork = new ForkDev(io___raw_dataFork, this, m_root);
                    ((ForkDev) (_dataFork))._read();
                    break;
                }
                case Xfs.ForkKind.Directory: {
                    __raw_dataFork = m_io.ReadBytes(DataForkSize);
                    var io___raw_dataFork = new KaitaiStream(__raw_dataFork);
                    _dataFork = new ForkDirectory(HasFtype, io___raw_dataFork, this, m_root);
                    ((ForkDirectory) (_dataFork))._read();
                    break;
                }
                case Xfs.ForkKind.Extents: {
                    __raw_dataFork = m_io.ReadBytes(DataForkSize);
                    var io___raw_dataFork = new KaitaiStream(__raw_dataFork);
                    _dataFork = new ForkExtents(Core.Nextents, io___raw_dataFork, this, m_root);
                    ((ForkExtents) (_dataFork))._read();
                    break;
                }
                case Xfs.ForkKind.Local: {
                    __raw_dataFork = m_io.ReadBytes(DataForkSize);
                    var io___raw_dataFork = new KaitaiStream(__raw_dataFork);
                    _dataFork = new ForkLocal(Core.Size, io___raw_dataFork, this, m_root);
                    ((ForkLocal) (_dataFork))._read();
                    break;
                }
                case Xfs.ForkKind.Symlink: {
                    __raw_dataFork = m_io.ReadBytes(DataForkSize);
                    var io___raw_dataFork = new KaitaiStream(__raw_dataFork);
                    _dataFork = new ForkSymlink(Core.Size, io___raw_dataFork, this, m_root);
                    ((ForkSymlink) (_dataFork))._read();
                    break;
                }
                default: {
                    _dataFork = m_io.ReadBytes(DataForkSize);
                    break;
                }
                }
                if (Core.Forkoff != 0) {
                    switch (AttrForkKind) {
                    case Xfs.ForkKind.Attributes: {
                        __raw_attrFork = m_io.ReadBytesFull();
                        var io___raw_attrFork = new KaitaiStream(__raw_attrFork);
                        _attrFork = new ForkAttributes(io___raw_attrFork, this, m_root);
                        ((ForkAttributes) (_attrFork))._read();
                        break;
                    }
                    case Xfs.ForkKind.Btree: {
                        __raw_attrFork = m_io.ReadBytesFull();
                        var io___raw_attrFork = new KaitaiStream(__raw_attrFork);
                        _attrFork = new ForkBtree(io___raw_attrFork, this, m_root);
                        ((ForkBtree) (_attrFork))._read();
                        break;
                    }
                    case Xfs.ForkKind.Extents: {
                        __raw_attrFork = m_io.ReadBytesFull();
                        var io___raw_attrFork = new KaitaiStream(__raw_attrFork);
                        _attrFork = new ForkExtents(Core.Anextents, io___raw_attrFork, this, m_root);
                        ((ForkExtents) (_attrFork))._read();
                        break;
                    }
                    default: {
                        _attrFork = m_io.ReadBytesFull();
                        break;
                    }
                    }
                }
            }
            private bool f_attrForkKind;
            private ForkKind _attrForkKind;
            public ForkKind AttrForkKind
            {
                get
                {
                    if (f_attrForkKind)
                        return _attrForkKind;
                    f_attrForkKind = true;
                    _attrForkKind = (ForkKind) ((Core.Aformat == Xfs.DinodeFmt.Extents ? Xfs.ForkKind.Extents : (Core.Aformat == Xfs.DinodeFmt.Btree ? Xfs.ForkKind.Btree : (Core.Aformat == Xfs.DinodeFmt.Local ? Xfs.ForkKind.Attributes : Xfs.ForkKind.Unknown))));
                    return _attrForkKind;
                }
            }
            private bool f_dataForkKind;
            private ForkKind _dataForkKind;
            public ForkKind DataForkKind
            {
                get
                {
                    if (f_dataForkKind)
                        return _dataForkKind;
                    f_dataForkKind = true;
                    _dataForkKind = (ForkKind) ((Core.Format == Xfs.DinodeFmt.Dev ? Xfs.ForkKind.Dev : (Core.Format == Xfs.DinodeFmt.Extents ? Xfs.ForkKind.Extents : (Core.Format == Xfs.DinodeFmt.Btree ? Xfs.ForkKind.Btree : (Core.Format != Xfs.DinodeFmt.Local ? Xfs.ForkKind.Unknown : (Core.FileType == Xfs.FileType.Directory ? Xfs.ForkKind.Directory : (Core.FileType == Xfs.FileType.Symlink ? Xfs.ForkKind.Symlink : Xfs.ForkKind.Local)))))));
                    return _dataForkKind;
                }
            }
            private bool f_dataForkSize;
            private int _dataForkSize;
            public int DataForkSize
            {
                get
                {
                    if (f_dataForkSize)
                        return _dataForkSize;
                    f_dataForkSize = true;
                    _dataForkSize = (int) (((int) ((Core.Forkoff != 0 ? Core.Forkoff * 8 : M_Io.Size - 176))));
                    return _dataForkSize;
                }
            }
            private DinodeCore _core;
            private object _dataFork;
            private object _attrFork;
            private bool _hasFtype;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            private byte[] __raw_dataFork;
            private byte[] __raw_attrFork;
            public DinodeCore Core { get { return _core; } }
            public object DataFork { get { return _dataFork; } }
            public object AttrFork { get { return _attrFork; } }

            /// <summary>
            /// Directory entries carry a file type; a feature of the superblock.
            /// </summary>
            public bool HasFtype { get { return _hasFtype; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
            public byte[] M_RawDataFork { get { return __raw_dataFork; } }
            public byte[] M_RawAttrFork { get { return __raw_attrFork; } }
        }

        /// <summary>
        /// xfs_dinode on disk; xfs_log_dinode in an inode item, the same in little-endian. Times are nanoseconds since
        /// 1901-12-13 20:45:52 UTC with BIGTIME, otherwise 32 bits of seconds since 1970 followed by 32 bits of nanoseconds.
        /// </summary>
        public partial class DinodeCore : KaitaiStruct
        {
            private bool? m_isLe;
            public DinodeCore(bool p_inLog, KaitaiStream p__io, Xfs.Dinode p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _inLog = p_inLog;
                f_anextents = false;
                f_atimeNsec = false;
                f_atimeSec = false;
                f_crtimeNsec = false;
                f_crtimeSec = false;
                f_ctimeNsec = false;
                f_ctimeSec = false;
                f_fileType = false;
                f_hasBigtime = false;
                f_hasNrext64 = false;
                f_hasReflink = false;
                f_mtimeNsec = false;
                f_mtimeSec = false;
                f_nextents = false;
                f_projid = false;
            }
            public void _read()
            {
                {
                    bool on = InLog;
                    if (on == true)
                    {
                        m_isLe = (bool) (true);
                    }
                    else if (on == false)
                    {
                        m_isLe = (bool) (false);
                    }
                }

                if (m_isLe == null) {
                    throw new UndecidedEndiannessError();
                } else if (m_isLe == true) {
                    _readLE();
                } else {
                    _readBE();
                }
            }
            public void _readLE()
            {
                _magic = ((Xfs.DinodeMagic) m_io.ReadU2le());
                _mode = m_io.ReadU2le();
                _version = m_io.ReadU1();
                _format = ((Xfs.DinodeFmt) m_io.ReadU1());
                _onlink = m_io.ReadU2le();
                _uid = m_io.ReadU4le();
                _gid = m_io.ReadU4le();
                _nlink = m_io.ReadU4le();
                _projidLo = m_io.ReadU2le();
                _projidHi = m_io.ReadU2le();
                _bigNextents = m_io.ReadU8le();
                _atime = m_io.ReadU8le();
                _mtime = m_io.ReadU8le();
                _ctime = m_io.ReadU8le();
                _size = m_io.ReadU8le();
                _nblocks = m_io.ReadU8le();
                _extsize = m_io.ReadU4le();
                _oldNextents = m_io.ReadU4le();
                _oldAnextents = m_io.ReadU2le();
                _forkoff = m_io.ReadU1();
                _aformat = ((Xfs.DinodeFmt) m_io.ReadU1());
                _dmevmask = m_io.ReadU4le();
                _dmstate = m_io.ReadU2le();
                _flags = m_io.ReadU2le();
                _gen = m_io.ReadU4le();
                _nextUnlinked = m_io.ReadU4le();
                _crc = m_io.ReadU4le();
                _changeCount = m_io.ReadU8le();
                _lsn = m_io.ReadU8le();
                _flags2 = m_io.ReadU8le();
                _cowextsize = m_io.ReadU4le();
                _pad = m_io.ReadBytes(12);
                _crtime = m_io.ReadU8le();
                _ino = m_io.ReadU8le();
                _uuid = m_io.ReadBytes(16);
            }
            public void _readBE()
            {
                _magic = ((Xfs.DinodeMagic) m_io.ReadU2be());
                _mode = m_io.ReadU2be();
                _version = m_io.ReadU1();
                _format = ((Xfs.DinodeFmt) m_io.ReadU1());
                _onlink = m_io.ReadU2be();
                _uid = m_io.ReadU4be();
                _gid = m_io.ReadU4be();
                _nlink = m_io.ReadU4be();
                _projidLo = m_io.ReadU2be();
                _projidHi = m_io.ReadU2be();
                _bigNextents = m_io.ReadU8be();
                _atime = m_io.ReadU8be();
                _mtime = m_io.ReadU8be();
                _ctime = m_io.ReadU8be();
                _size = m_io.ReadU8be();
                _nblocks = m_io.ReadU8be();
                _extsize = m_io.ReadU4be();
                _oldNextents = m_io.ReadU4be();
                _oldAnextents = m_io.ReadU2be();
                _forkoff = m_io.ReadU1();
                _aformat = ((Xfs.DinodeFmt) m_io.ReadU1());
                _dmevmask = m_io.ReadU4be();
                _dmstate = m_io.ReadU2be();
                _flags = m_io.ReadU2be();
                _gen = m_io.ReadU4be();
                _nextUnlinked = m_io.ReadU4be();
                _crc = m_io.ReadU4le();
                _changeCount = m_io.ReadU8be();
                _lsn = m_io.ReadU8be();
                _flags2 = m_io.ReadU8be();
                _cowextsize = m_io.ReadU4be();
                _pad = m_io.ReadBytes(12);
                _crtime = m_io.ReadU8be();
                _ino = m_io.ReadU8be();
                _uuid = m_io.ReadBytes(16);
            }
            private bool f_anextents;
            private ulong _anextents;
            public ulong Anextents
            {
                get
                {
                    if (f_anextents)
                        return _anextents;
                    f_anextents = true;
                    _anextents = (ulong) (((ulong) ((HasNrext64 ? ((ulong) (OldNextents)) : ((ulong) (OldAnextents))))));
                    return _anextents;
                }
            }
            private bool f_atimeNsec;
            private ulong _atimeNsec;
            public ulong AtimeNsec
            {
                get
                {
                    if (f_atimeNsec)
                        return _atimeNsec;
                    f_atimeNsec = true;
                    _atimeNsec = (ulong) (((ulong) ((HasBigtime ? Atime - (Atime / 1000000000) * 1000000000 : (InLog ? Atime >> 32 : Atime & 4294967295)))));
                    return _atimeNsec;
                }
            }
            private bool f_atimeSec;
            private long _atimeSec;
            public long AtimeSec
            {
                get
                {
                    if (f_atimeSec)
                        return _atimeSec;
                    f_atimeSec = true;
                    _atimeSec = (long) (((long) ((HasBigtime ? ((long) (Atime / 1000000000)) - 2147483648 : (((long) ((InLog ? Atime & 4294967295 : Atime >> 32))) ^ 2147483648) - 2147483648))));
                    return _atimeSec;
                }
            }
            private bool f_crtimeNsec;
            private ulong _crtimeNsec;
            public ulong CrtimeNsec
            {
                get
                {
                    if (f_crtimeNsec)
                        return _crtimeNsec;
                    f_crtimeNsec = true;
                    _crtimeNsec = (ulong) (((ulong) ((HasBigtime ? Crtime - (Crtime / 1000000000) * 1000000000 : (InLog ? Crtime >> 32 : Crtime & 4294967295)))));
                    return _crtimeNsec;
                }
            }
            private bool f_crtimeSec;
            private long _crtimeSec;
            public long CrtimeSec
            {
                get
                {
                    if (f_crtimeSec)
                        return _crtimeSec;
                    f_crtimeSec = true;
                    _crtimeSec = (long) (((long) ((HasBigtime ? ((long) (Crtime / 1000000000)) - 2147483648 : (((long) ((InLog ? Crtime & 4294967295 : Crtime >> 32))) ^ 2147483648) - 2147483648))));
                    return _crtimeSec;
                }
            }
            private bool f_ctimeNsec;
            private ulong _ctimeNsec;
            public ulong CtimeNsec
            {
                get
                {
                    if (f_ctimeNsec)
                        return _ctimeNsec;
                    f_ctimeNsec = true;
                    _ctimeNsec = (ulong) (((ulong) ((HasBigtime ? Ctime - (Ctime / 1000000000) * 1000000000 : (InLog ? Ctime >> 32 : Ctime & 4294967295)))));
                    return _ctimeNsec;
                }
            }
            private bool f_ctimeSec;
            private long _ctimeSec;
            public long CtimeSec
            {
                get
                {
                    if (f_ctimeSec)
                        return _ctimeSec;
                    f_ctimeSec = true;
                    _ctimeSec = (long) (((long) ((HasBigtime ? ((long) (Ctime / 1000000000)) - 2147483648 : (((long) ((InLog ? Ctime & 4294967295 : Ctime >> 32))) ^ 2147483648) - 2147483648))));
                    return _ctimeSec;
                }
            }
            private bool f_fileType;
            private FileType _fileType;
            public FileType FileType
            {
                get
                {
                    if (f_fileType)
                        return _fileType;
                    f_fileType = true;
                    _fileType = (FileType) (((Xfs.FileType) ((byte) (Mode >> 12))));
                    return _fileType;
                }
            }
            private bool f_hasBigtime;
            private bool _hasBigtime;
            public bool HasBigtime
            {
                get
                {
                    if (f_hasBigtime)
                        return _hasBigtime;
                    f_hasBigtime = true;
                    _hasBigtime = (bool) ((Flags2 & 8) != 0);
                    return _hasBigtime;
                }
            }
            private bool f_hasNrext64;
            private bool _hasNrext64;
            public bool HasNrext64
            {
                get
                {
                    if (f_hasNrext64)
                        return _hasNrext64;
                    f_hasNrext64 = true;
                    _hasNrext64 = (bool) ((Flags2 & 16) != 0);
                    return _hasNrext64;
                }
            }
            private bool f_hasReflink;
            private bool _hasReflink;
            public bool HasReflink
            {
                get
                {
                    if (f_hasReflink)
                        return _hasReflink;
                    f_hasReflink = true;
                    _hasReflink = (bool) ((Flags2 & 2) != 0);
                    return _hasReflink;
                }
            }
            private bool f_mtimeNsec;
            private ulong _mtimeNsec;
            public ulong MtimeNsec
            {
                get
                {
                    if (f_mtimeNsec)
                        return _mtimeNsec;
                    f_mtimeNsec = true;
                    _mtimeNsec = (ulong) (((ulong) ((HasBigtime ? Mtime - (Mtime / 1000000000) * 1000000000 : (InLog ? Mtime >> 32 : Mtime & 4294967295)))));
                    return _mtimeNsec;
                }
            }
            private bool f_mtimeSec;
            private long _mtimeSec;
            public long MtimeSec
            {
                get
                {
                    if (f_mtimeSec)
                        return _mtimeSec;
                    f_mtimeSec = true;
                    _mtimeSec = (long) (((long) ((HasBigtime ? ((long) (Mtime / 1000000000)) - 2147483648 : (((long) ((InLog ? Mtime & 4294967295 : Mtime >> 32))) ^ 2147483648) - 2147483648))));
                    return _mtimeSec;
                }
            }
            private bool f_nextents;
            private ulong _nextents;
            public ulong Nextents
            {
                get
                {
                    if (f_nextents)
                        return _nextents;
                    f_nextents = true;
                    _nextents = (ulong) (((ulong) ((HasNrext64 ? BigNextents : ((ulong) (OldNextents))))));
                    return _nextents;
                }
            }
            private bool f_projid;
            private ulong _projid;
            public ulong Projid
            {
                get
                {
                    if (f_projid)
                        return _projid;
                    f_projid = true;
                    _projid = (ulong) (((ulong) (((ulong) (ProjidHi)) << 16 | ProjidLo)));
                    return _projid;
                }
            }
            private DinodeMagic _magic;
            private ushort _mode;
            private byte _version;
            private DinodeFmt _format;
            private ushort _onlink;
            private uint _uid;
            private uint _gid;
            private uint _nlink;
            private ushort _projidLo;
            private ushort _projidHi;
            private ulong _bigNextents;
            private ulong _atime;
            private ulong _mtime;
            private ulong _ctime;
            private ulong _size;
            private ulong _nblocks;
            private uint _extsize;
            private uint _oldNextents;
            private ushort _oldAnextents;
            private byte _forkoff;
            private DinodeFmt _aformat;
            private uint _dmevmask;
            private ushort _dmstate;
            private ushort _flags;
            private uint _gen;
            private uint _nextUnlinked;
            private uint _crc;
            private ulong _changeCount;
            private ulong _lsn;
            private ulong _flags2;
            private uint _cowextsize;
            private byte[] _pad;
            private ulong _crtime;
            private ulong _ino;
            private byte[] _uuid;
            private bool _inLog;
            private Xfs m_root;
            private Xfs.Dinode m_parent;
            public DinodeMagic Magic { get { return _magic; } }
            public ushort Mode { get { return _mode; } }
            public byte Version { get { return _version; } }
            public DinodeFmt Format { get { return _format; } }
            public ushort Onlink { get { return _onlink; } }
            public uint Uid { get { return _uid; } }
            public uint Gid { get { return _gid; } }
            public uint Nlink { get { return _nlink; } }
            public ushort ProjidLo { get { return _projidLo; } }
            public ushort ProjidHi { get { return _projidHi; } }

            /// <summary>
            /// Extents of the data fork, with NREXT64 only.
            /// </summary>
            public ulong BigNextents { get { return _bigNextents; } }
            public ulong Atime { get { return _atime; } }
            public ulong Mtime { get { return _mtime; } }
            public ulong Ctime { get { return _ctime; } }
            public ulong Size { get { return _size; } }
            public ulong Nblocks { get { return _nblocks; } }
            public uint Extsize { get { return _extsize; } }

            /// <summary>
            /// Extents of the data fork; with NREXT64 those of the attribute fork.
            /// </summary>
            public uint OldNextents { get { return _oldNextents; } }

            /// <summary>
            /// Extents of the attribute fork; 0 with NREXT64.
            /// </summary>
            public ushort OldAnextents { get { return _oldAnextents; } }

            /// <summary>
            /// Where the attribute fork begins, in units of 8 bytes from the end of the core; 0 if there is none.
            /// </summary>
            public byte Forkoff { get { return _forkoff; } }
            public DinodeFmt Aformat { get { return _aformat; } }
            public uint Dmevmask { get { return _dmevmask; } }
            public ushort Dmstate { get { return _dmstate; } }
            public ushort Flags { get { return _flags; } }
            public uint Gen { get { return _gen; } }

            /// <summary>
            /// agino, all ones at the end of the list.
            /// </summary>
            public uint NextUnlinked { get { return _nextUnlinked; } }
            public uint Crc { get { return _crc; } }
            public ulong ChangeCount { get { return _changeCount; } }
            public ulong Lsn { get { return _lsn; } }
            public ulong Flags2 { get { return _flags2; } }
            public uint Cowextsize { get { return _cowextsize; } }
            public byte[] Pad { get { return _pad; } }
            public ulong Crtime { get { return _crtime; } }
            public ulong Ino { get { return _ino; } }
            public byte[] Uuid { get { return _uuid; } }
            public bool InLog { get { return _inLog; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.Dinode M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// A directory of one block (XDB3): entries from the front, their hashes and places sorted by hash at the end.
        /// </summary>
        public partial class DirBlock : KaitaiStruct
        {
            public DirBlock(bool p_hasFtype, KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _hasFtype = p_hasFtype;
                f_leaf = false;
                f_leafPos = false;
                f_tail = false;
            }
            public void _read()
            {
                _header = new DirDataHeader(m_io, this, m_root);
                _header._read();
                if (LeafPos > 64) {
                    _entries = new List<DirDataEntry>();
                    {
                        var i = 0;
                        DirDataEntry M_;
                        do {
                            DirDataEntry _t_entries = new DirDataEntry(HasFtype, m_io, this, m_root);
                            try
                            {
                                _t_entries._read();
                            }
                            finally
                            {
                                M_ = _t_entries;
                                _entries.Add(M_);
                            }
                            i++;
                        } while (!(M_Io.Pos >= LeafPos));
                    }
                }
            }
            private bool f_leaf;
            private List<DirLeafEntry> _leaf;
            public List<DirLeafEntry> Leaf
            {
                get
                {
                    if (f_leaf)
                        return _leaf;
                    f_leaf = true;
                    long _pos = m_io.Pos;
                    m_io.Seek(LeafPos);
                    _leaf = new List<DirLeafEntry>();
                    for (var i = 0; i < Tail.Count; i++)
                    {
                        DirLeafEntry _t_leaf = new DirLeafEntry(m_io, this, m_root);
                        try
                        {
                            _t_leaf._read();
                        }
                        finally
                        {
                            _leaf.Add(_t_leaf);
                        }
                    }
                    m_io.Seek(_pos);
                    return _leaf;
                }
            }
            private bool f_leafPos;
            private int _leafPos;
            public int LeafPos
            {
                get
                {
                    if (f_leafPos)
                        return _leafPos;
                    f_leafPos = true;
                    _leafPos = (int) (((int) ((M_Io.Size - 8) - 8 * Tail.Count)));
                    return _leafPos;
                }
            }
            private bool f_tail;
            private DirBlockTail _tail;
            public DirBlockTail Tail
            {
                get
                {
                    if (f_tail)
                        return _tail;
                    f_tail = true;
                    long _pos = m_io.Pos;
                    m_io.Seek(M_Io.Size - 8);
                    _tail = new DirBlockTail(m_io, this, m_root);
                    _tail._read();
                    {
                        DirBlockTail M_ = _tail;
                        if (!(M_.Count <= (M_Io.Size - 72) / 8))
                        {
                            throw new ValidationExprError(_tail, m_io, "/types/dir_block/instances/tail");
                        }
                    }
                    m_io.Seek(_pos);
                    return _tail;
                }
            }
            private DirDataHeader _header;
            private List<DirDataEntry> _entries;
            private bool _hasFtype;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public DirDataHeader Header { get { return _header; } }
            public List<DirDataEntry> Entries { get { return _entries; } }
            public bool HasFtype { get { return _hasFtype; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }
        public partial class DirBlockTail : KaitaiStruct
        {
            public static DirBlockTail FromFile(string fileName)
            {
                return new DirBlockTail(new KaitaiStream(fileName));
            }

            public DirBlockTail(KaitaiStream p__io, Xfs.DirBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _count = m_io.ReadU4be();
                _stale = m_io.ReadU4be();
            }
            private uint _count;
            private uint _stale;
            private Xfs m_root;
            private Xfs.DirBlock m_parent;
            public uint Count { get { return _count; } }
            public uint Stale { get { return _stale; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.DirBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// A block of a larger directory that holds nothing but entries (XDD3).
        /// </summary>
        public partial class DirDataBlock : KaitaiStruct
        {
            public DirDataBlock(bool p_hasFtype, KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _hasFtype = p_hasFtype;
            }
            public void _read()
            {
                _header = new DirDataHeader(m_io, this, m_root);
                _header._read();
                _entries = new List<DirDataEntry>();
                {
                    var i = 0;
                    while (!m_io.IsEof) {
                        DirDataEntry _t_entries = new DirDataEntry(HasFtype, m_io, this, m_root);
                        try
                        {
                            _t_entries._read();
                        }
                        finally
                        {
                            _entries.Add(_t_entries);
                        }
                        i++;
                    }
                }
            }
            private DirDataHeader _header;
            private List<DirDataEntry> _entries;
            private bool _hasFtype;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public DirDataHeader Header { get { return _header; } }
            public List<DirDataEntry> Entries { get { return _entries; } }
            public bool HasFtype { get { return _hasFtype; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// A name, or a free region, which begins with ffff. Both end with their own offset in the block.
        /// </summary>
        public partial class DirDataEntry : KaitaiStruct
        {
            public DirDataEntry(bool p_hasFtype, KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _hasFtype = p_hasFtype;
                f_isFree = false;
                f_lead = false;
                f_startPos = false;
            }
            public void _read()
            {
                if (IsFree) {
                    _freetag = m_io.ReadU2be();
                }
                if (IsFree) {
                    _length = m_io.ReadU2be();
                    if (!(_length >= 8))
                    {
                        throw new ValidationLessThanError(8, _length, m_io, "/types/dir_data_entry/seq/1");
                    }
                    if (!(_length <= M_Io.Size - StartPos))
                    {
                        throw new ValidationGreaterThanError(M_Io.Size - StartPos, _length, m_io, "/types/dir_data_entry/seq/1");
                    }
                }
                if (IsFree) {
                    _filler = m_io.ReadBytes(((ushort) (Length)) - 6);
                }
                if (!(IsFree)) {
                    _inumber = m_io.ReadU8be();
                }
                if (!(IsFree)) {
                    _namelen = m_io.ReadU1();
                }
                if (!(IsFree)) {
                    _name = System.Text.Encoding.GetEncoding("ISO-8859-1").GetString(m_io.ReadBytes(((byte) (Namelen))));
                }
                if ( ((!(IsFree)) && (HasFtype)) ) {
                    _ftype = ((Xfs.DirentType) m_io.ReadU1());
                }
                if (!(IsFree)) {
                    _padding = m_io.ReadBytes((StartPos - M_Io.Pos) - 2 & 7);
                }
                _tag = m_io.ReadU2be();
            }
            private bool f_isFree;
            private bool _isFree;
            public bool IsFree
            {
                get
                {
                    if (f_isFree)
                        return _isFree;
                    f_isFree = true;
                    _isFree = (bool) (Lead == 65535);
                    return _isFree;
                }
            }
            private bool f_lead;
            private ushort _lead;
            public ushort Lead
            {
                get
                {
                    if (f_lead)
                        return _lead;
                    f_lead = true;
                    long _pos = m_io.Pos;
                    m_io.Seek(StartPos);
                    _lead = m_io.ReadU2be();
                    m_io.Seek(_pos);
                    return _lead;
                }
            }
            private bool f_startPos;
            private int _startPos;
            public int StartPos
            {
                get
                {
                    if (f_startPos)
                        return _startPos;
                    f_startPos = true;
                    _startPos = (int) (((int) (M_Io.Pos)));
                    return _startPos;
                }
            }
            private ushort? _freetag;
            private ushort? _length;
            private byte[] _filler;
            private ulong? _inumber;
            private byte? _namelen;
            private string _name;
            private DirentType _ftype;
            private byte[] _padding;
            private ushort _tag;
            private bool _hasFtype;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public ushort? Freetag { get { return _freetag; } }
            public ushort? Length { get { return _length; } }
            public byte[] Filler { get { return _filler; } }
            public ulong? Inumber { get { return _inumber; } }
            public byte? Namelen { get { return _namelen; } }
            public string Name { get { return _name; } }
            public DirentType Ftype { get { return _ftype; } }
            public byte[] Padding { get { return _padding; } }
            public ushort Tag { get { return _tag; } }
            public bool HasFtype { get { return _hasFtype; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }
        public partial class DirDataFree : KaitaiStruct
        {
            public static DirDataFree FromFile(string fileName)
            {
                return new DirDataFree(new KaitaiStream(fileName));
            }

            public DirDataFree(KaitaiStream p__io, Xfs.DirDataHeader p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _offset = m_io.ReadU2be();
                _length = m_io.ReadU2be();
            }
            private ushort _offset;
            private ushort _length;
            private Xfs m_root;
            private Xfs.DirDataHeader m_parent;
            public ushort Offset { get { return _offset; } }
            public ushort Length { get { return _length; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.DirDataHeader M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_dir3_data_hdr, with the three largest free regions.
        /// </summary>
        public partial class DirDataHeader : KaitaiStruct
        {
            public static DirDataHeader FromFile(string fileName)
            {
                return new DirDataHeader(new KaitaiStream(fileName));
            }

            public DirDataHeader(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _magic = ((Xfs.DirMagic) m_io.ReadU4be());
                _crc = m_io.ReadU4le();
                _blkno = m_io.ReadU8be();
                _lsn = m_io.ReadU8be();
                _uuid = m_io.ReadBytes(16);
                _owner = m_io.ReadU8be();
                _bestFree = new List<DirDataFree>();
                for (var i = 0; i < 3; i++)
                {
                    DirDataFree _t_bestFree = new DirDataFree(m_io, this, m_root);
                    try
                    {
                        _t_bestFree._read();
                    }
                    finally
                    {
                        _bestFree.Add(_t_bestFree);
                    }
                }
                _pad = m_io.ReadU4be();
            }
            private DirMagic _magic;
            private uint _crc;
            private ulong _blkno;
            private ulong _lsn;
            private byte[] _uuid;
            private ulong _owner;
            private List<DirDataFree> _bestFree;
            private uint _pad;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public DirMagic Magic { get { return _magic; } }
            public uint Crc { get { return _crc; } }
            public ulong Blkno { get { return _blkno; } }
            public ulong Lsn { get { return _lsn; } }
            public byte[] Uuid { get { return _uuid; } }
            public ulong Owner { get { return _owner; } }
            public List<DirDataFree> BestFree { get { return _bestFree; } }
            public uint Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_dir3_free (XDF3), the longest free region of each data block of a directory with several leaves.
        /// </summary>
        public partial class DirFreeBlock : KaitaiStruct
        {
            public static DirFreeBlock FromFile(string fileName)
            {
                return new DirFreeBlock(new KaitaiStream(fileName));
            }

            public DirFreeBlock(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _header = new DirFreeHeader(m_io, this, m_root);
                _header._read();
                {
                    DirFreeHeader M_ = _header;
                    if (!(M_.Nvalid <= (M_Io.Size - 64) / 2))
                    {
                        throw new ValidationExprError(_header, m_io, "/types/dir_free_block/seq/0");
                    }
                }
                _bests = new List<ushort>();
                for (var i = 0; i < Header.Nvalid; i++)
                {
                    _bests.Add(m_io.ReadU2be());
                }
            }
            private DirFreeHeader _header;
            private List<ushort> _bests;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public DirFreeHeader Header { get { return _header; } }
            public List<ushort> Bests { get { return _bests; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }
        public partial class DirFreeHeader : KaitaiStruct
        {
            public static DirFreeHeader FromFile(string fileName)
            {
                return new DirFreeHeader(new KaitaiStream(fileName));
            }

            public DirFreeHeader(KaitaiStream p__io, Xfs.DirFreeBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _magic = ((Xfs.DirMagic) m_io.ReadU4be());
                _crc = m_io.ReadU4le();
                _blkno = m_io.ReadU8be();
                _lsn = m_io.ReadU8be();
                _uuid = m_io.ReadBytes(16);
                _owner = m_io.ReadU8be();
                _firstdb = m_io.ReadU4be();
                _nvalid = m_io.ReadU4be();
                _nused = m_io.ReadU4be();
                _pad = m_io.ReadU4be();
            }
            private DirMagic _magic;
            private uint _crc;
            private ulong _blkno;
            private ulong _lsn;
            private byte[] _uuid;
            private ulong _owner;
            private uint _firstdb;
            private uint _nvalid;
            private uint _nused;
            private uint _pad;
            private Xfs m_root;
            private Xfs.DirFreeBlock m_parent;
            public DirMagic Magic { get { return _magic; } }
            public uint Crc { get { return _crc; } }
            public ulong Blkno { get { return _blkno; } }
            public ulong Lsn { get { return _lsn; } }
            public byte[] Uuid { get { return _uuid; } }
            public ulong Owner { get { return _owner; } }
            public uint Firstdb { get { return _firstdb; } }
            public uint Nvalid { get { return _nvalid; } }
            public uint Nused { get { return _nused; } }
            public uint Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.DirFreeBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// Names of a directory sorted by hash. The only leaf of a directory (leaf1) ends with the longest free region of
        /// each data block; of several leaves (leafn) none does, there are dir_free_blocks.
        /// </summary>
        public partial class DirLeafBlock : KaitaiStruct
        {
            public static DirLeafBlock FromFile(string fileName)
            {
                return new DirLeafBlock(new KaitaiStream(fileName));
            }

            public DirLeafBlock(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_bestcount = false;
                f_bests = false;
            }
            public void _read()
            {
                _header = new DirLeafHeader(m_io, this, m_root);
                _header._read();
                {
                    DirLeafHeader M_ = _header;
                    if (!(M_.Count <= (M_Io.Size - 64) / 8))
                    {
                        throw new ValidationExprError(_header, m_io, "/types/dir_leaf_block/seq/0");
                    }
                }
                _entries = new List<DirLeafEntry>();
                for (var i = 0; i < Header.Count; i++)
                {
                    DirLeafEntry _t_entries = new DirLeafEntry(m_io, this, m_root);
                    try
                    {
                        _t_entries._read();
                    }
                    finally
                    {
                        _entries.Add(_t_entries);
                    }
                }
            }
            private bool f_bestcount;
            private uint? _bestcount;
            public uint? Bestcount
            {
                get
                {
                    if (f_bestcount)
                        return _bestcount;
                    f_bestcount = true;
                    if (Header.Info.Magic == Xfs.DaMagic.Leaf1) {
                        long _pos = m_io.Pos;
                        m_io.Seek(M_Io.Size - 4);
                        _bestcount = m_io.ReadU4be();
                        if (!(_bestcount <= (M_Io.Size - 68) / 2))
                        {
                            throw new ValidationGreaterThanError((M_Io.Size - 68) / 2, _bestcount, m_io, "/types/dir_leaf_block/instances/bestcount");
                        }
                        m_io.Seek(_pos);
                    }
                    return _bestcount;
                }
            }
            private bool f_bests;
            private List<ushort> _bests;
            public List<ushort> Bests
            {
                get
                {
                    if (f_bests)
                        return _bests;
                    f_bests = true;
                    if (Header.Info.Magic == Xfs.DaMagic.Leaf1) {
                        long _pos = m_io.Pos;
                        m_io.Seek((M_Io.Size - 4) - 2 * ((int) (Bestcount)));
                        _bests = new List<ushort>();
                        for (var i = 0; i < ((int) (Bestcount)); i++)
                        {
                            _bests.Add(m_io.ReadU2be());
                        }
                        m_io.Seek(_pos);
                    }
                    return _bests;
                }
            }
            private DirLeafHeader _header;
            private List<DirLeafEntry> _entries;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public DirLeafHeader Header { get { return _header; } }
            public List<DirLeafEntry> Entries { get { return _entries; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// A name's hash, and where its entry is, in units of 8 bytes of data space; 0 if the name was removed.
        /// </summary>
        public partial class DirLeafEntry : KaitaiStruct
        {
            public static DirLeafEntry FromFile(string fileName)
            {
                return new DirLeafEntry(new KaitaiStream(fileName));
            }

            public DirLeafEntry(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _hashval = m_io.ReadU4be();
                _address = m_io.ReadU4be();
            }
            private uint _hashval;
            private uint _address;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public uint Hashval { get { return _hashval; } }
            public uint Address { get { return _address; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }
        public partial class DirLeafHeader : KaitaiStruct
        {
            public static DirLeafHeader FromFile(string fileName)
            {
                return new DirLeafHeader(new KaitaiStream(fileName));
            }

            public DirLeafHeader(KaitaiStream p__io, Xfs.DirLeafBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _info = new DaBlkinfo(m_io, this, m_root);
                _info._read();
                _count = m_io.ReadU2be();
                _stale = m_io.ReadU2be();
                _pad = m_io.ReadU4be();
            }
            private DaBlkinfo _info;
            private ushort _count;
            private ushort _stale;
            private uint _pad;
            private Xfs m_root;
            private Xfs.DirLeafBlock m_parent;
            public DaBlkinfo Info { get { return _info; } }
            public ushort Count { get { return _count; } }
            public ushort Stale { get { return _stale; } }
            public uint Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.DirLeafBlock M_Parent { get { return m_parent; } }
        }
        public partial class DirSfEntry : KaitaiStruct
        {
            public DirSfEntry(bool p_hasFtype, bool p_isWide, KaitaiStream p__io, Xfs.ForkDirectory p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _hasFtype = p_hasFtype;
                _isWide = p_isWide;
            }
            public void _read()
            {
                _namelen = m_io.ReadU1();
                _offset = m_io.ReadU2be();
                _name = System.Text.Encoding.GetEncoding("ISO-8859-1").GetString(m_io.ReadBytes(Namelen));
                if (HasFtype) {
                    _ftype = ((Xfs.DirentType) m_io.ReadU1());
                }
                _inumber = new DirSfIno(IsWide, m_io, this, m_root);
                _inumber._read();
            }
            private byte _namelen;
            private ushort _offset;
            private string _name;
            private DirentType _ftype;
            private DirSfIno _inumber;
            private bool _hasFtype;
            private bool _isWide;
            private Xfs m_root;
            private Xfs.ForkDirectory m_parent;
            public byte Namelen { get { return _namelen; } }

            /// <summary>
            /// Where the entry would lie in a directory block.
            /// </summary>
            public ushort Offset { get { return _offset; } }
            public string Name { get { return _name; } }
            public DirentType Ftype { get { return _ftype; } }
            public DirSfIno Inumber { get { return _inumber; } }
            public bool HasFtype { get { return _hasFtype; } }
            public bool IsWide { get { return _isWide; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.ForkDirectory M_Parent { get { return m_parent; } }
        }
        public partial class DirSfIno : KaitaiStruct
        {
            public DirSfIno(bool p_isWide, KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _isWide = p_isWide;
                f_ino = false;
            }
            public void _read()
            {
                if (!(IsWide)) {
                    _narrow = m_io.ReadU4be();
                }
                if (IsWide) {
                    _wide = m_io.ReadU8be();
                }
            }
            private bool f_ino;
            private ulong _ino;
            public ulong Ino
            {
                get
                {
                    if (f_ino)
                        return _ino;
                    f_ino = true;
                    _ino = (ulong) (((ulong) ((IsWide ? Wide : ((ulong) (Narrow))))));
                    return _ino;
                }
            }
            private uint? _narrow;
            private ulong? _wide;
            private bool _isWide;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public uint? Narrow { get { return _narrow; } }
            public ulong? Wide { get { return _wide; } }
            public bool IsWide { get { return _isWide; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_disk_dquot, 104 bytes; also what a dquot item in the log carries.
        /// </summary>
        public partial class Dquot : KaitaiStruct
        {
            public static Dquot FromFile(string fileName)
            {
                return new Dquot(new KaitaiStream(fileName));
            }

            public Dquot(KaitaiStream p__io, Xfs.DquotRec p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _magic = m_io.ReadU2be();
                _version = m_io.ReadU1();
                _type = m_io.ReadU1();
                _id = m_io.ReadU4be();
                _blkHardlimit = m_io.ReadU8be();
                _blkSoftlimit = m_io.ReadU8be();
                _inoHardlimit = m_io.ReadU8be();
                _inoSoftlimit = m_io.ReadU8be();
                _bcount = m_io.ReadU8be();
                _icount = m_io.ReadU8be();
                _itimer = m_io.ReadU4be();
                _btimer = m_io.ReadU4be();
                _iwarns = m_io.ReadU2be();
                _bwarns = m_io.ReadU2be();
                _pad0 = m_io.ReadU4be();
                _rtbHardlimit = m_io.ReadU8be();
                _rtbSoftlimit = m_io.ReadU8be();
                _rtbcount = m_io.ReadU8be();
                _rtbtimer = m_io.ReadU4be();
                _rtbwarns = m_io.ReadU2be();
                _pad = m_io.ReadU2be();
            }
            private ushort _magic;
            private byte _version;
            private byte _type;
            private uint _id;
            private ulong _blkHardlimit;
            private ulong _blkSoftlimit;
            private ulong _inoHardlimit;
            private ulong _inoSoftlimit;
            private ulong _bcount;
            private ulong _icount;
            private uint _itimer;
            private uint _btimer;
            private ushort _iwarns;
            private ushort _bwarns;
            private uint _pad0;
            private ulong _rtbHardlimit;
            private ulong _rtbSoftlimit;
            private ulong _rtbcount;
            private uint _rtbtimer;
            private ushort _rtbwarns;
            private ushort _pad;
            private Xfs m_root;
            private Xfs.DquotRec m_parent;

            /// <summary>
            /// 0x4451.
            /// </summary>
            public ushort Magic { get { return _magic; } }
            public byte Version { get { return _version; } }
            public byte Type { get { return _type; } }
            public uint Id { get { return _id; } }
            public ulong BlkHardlimit { get { return _blkHardlimit; } }
            public ulong BlkSoftlimit { get { return _blkSoftlimit; } }
            public ulong InoHardlimit { get { return _inoHardlimit; } }
            public ulong InoSoftlimit { get { return _inoSoftlimit; } }
            public ulong Bcount { get { return _bcount; } }
            public ulong Icount { get { return _icount; } }
            public uint Itimer { get { return _itimer; } }
            public uint Btimer { get { return _btimer; } }
            public ushort Iwarns { get { return _iwarns; } }
            public ushort Bwarns { get { return _bwarns; } }
            public uint Pad0 { get { return _pad0; } }
            public ulong RtbHardlimit { get { return _rtbHardlimit; } }
            public ulong RtbSoftlimit { get { return _rtbSoftlimit; } }
            public ulong Rtbcount { get { return _rtbcount; } }
            public uint Rtbtimer { get { return _rtbtimer; } }
            public ushort Rtbwarns { get { return _rtbwarns; } }
            public ushort Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.DquotRec M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_dqblk, 136 bytes; a block of a quota inode holds as many as fit.
        /// </summary>
        public partial class DquotRec : KaitaiStruct
        {
            public static DquotRec FromFile(string fileName)
            {
                return new DquotRec(new KaitaiStream(fileName));
            }

            public DquotRec(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _disk = new Dquot(m_io, this, m_root);
                _disk._read();
                _fill = m_io.ReadU4be();
                _crc = m_io.ReadU4le();
                _lsn = m_io.ReadU8be();
                _uuid = m_io.ReadBytes(16);
            }
            private Dquot _disk;
            private uint _fill;
            private uint _crc;
            private ulong _lsn;
            private byte[] _uuid;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public Dquot Disk { get { return _disk; } }
            public uint Fill { get { return _fill; } }
            public uint Crc { get { return _crc; } }
            public ulong Lsn { get { return _lsn; } }
            public byte[] Uuid { get { return _uuid; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_attr_sf, extended attributes in short form.
        /// </summary>
        public partial class ForkAttributes : KaitaiStruct
        {
            public static ForkAttributes FromFile(string fileName)
            {
                return new ForkAttributes(new KaitaiStream(fileName));
            }

            public ForkAttributes(KaitaiStream p__io, Xfs.Dinode p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _totsize = m_io.ReadU2be();
                _count = m_io.ReadU1();
                _pad = m_io.ReadU1();
                _entries = new List<AttrSfEntry>();
                for (var i = 0; i < Count; i++)
                {
                    AttrSfEntry _t_entries = new AttrSfEntry(m_io, this, m_root);
                    try
                    {
                        _t_entries._read();
                    }
                    finally
                    {
                        _entries.Add(_t_entries);
                    }
                }
            }
            private ushort _totsize;
            private byte _count;
            private byte _pad;
            private List<AttrSfEntry> _entries;
            private Xfs m_root;
            private Xfs.Dinode m_parent;
            public ushort Totsize { get { return _totsize; } }
            public byte Count { get { return _count; } }
            public byte Pad { get { return _pad; } }
            public List<AttrSfEntry> Entries { get { return _entries; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.Dinode M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_bmdr_block, the root of a bmbt. Laid out as a node.
        /// </summary>
        public partial class ForkBtree : KaitaiStruct
        {
            public static ForkBtree FromFile(string fileName)
            {
                return new ForkBtree(new KaitaiStream(fileName));
            }

            public ForkBtree(KaitaiStream p__io, Xfs.Dinode p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_maxrecs = false;
                f_ptrs = false;
            }
            public void _read()
            {
                _level = m_io.ReadU2be();
                _numrecs = m_io.ReadU2be();
                if (!(_numrecs <= Maxrecs))
                {
                    throw new ValidationGreaterThanError(Maxrecs, _numrecs, m_io, "/types/fork_btree/seq/1");
                }
                _keys = new List<BmbtKey>();
                for (var i = 0; i < Numrecs; i++)
                {
                    BmbtKey _t_keys = new BmbtKey(m_io, this, m_root);
                    try
                    {
                        _t_keys._read();
                    }
                    finally
                    {
                        _keys.Add(_t_keys);
                    }
                }
            }
            private bool f_maxrecs;
            private int _maxrecs;
            public int Maxrecs
            {
                get
                {
                    if (f_maxrecs)
                        return _maxrecs;
                    f_maxrecs = true;
                    _maxrecs = (int) (((int) ((M_Io.Size - 4) / 16)));
                    return _maxrecs;
                }
            }
            private bool f_ptrs;
            private List<ulong> _ptrs;

            /// <summary>
            /// fsbno of the children.
            /// </summary>
            public List<ulong> Ptrs
            {
                get
                {
                    if (f_ptrs)
                        return _ptrs;
                    f_ptrs = true;
                    long _pos = m_io.Pos;
                    m_io.Seek(4 + Maxrecs * 8);
                    _ptrs = new List<ulong>();
                    for (var i = 0; i < Numrecs; i++)
                    {
                        _ptrs.Add(m_io.ReadU8be());
                    }
                    m_io.Seek(_pos);
                    return _ptrs;
                }
            }
            private ushort _level;
            private ushort _numrecs;
            private List<BmbtKey> _keys;
            private Xfs m_root;
            private Xfs.Dinode m_parent;
            public ushort Level { get { return _level; } }
            public ushort Numrecs { get { return _numrecs; } }
            public List<BmbtKey> Keys { get { return _keys; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.Dinode M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// A device's number, major &lt;&lt; 18 | minor; 0 for fifos, sockets and inodes never used.
        /// </summary>
        public partial class ForkDev : KaitaiStruct
        {
            public static ForkDev FromFile(string fileName)
            {
                return new ForkDev(new KaitaiStream(fileName));
            }

            public ForkDev(KaitaiStream p__io, Xfs.Dinode p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _dev = m_io.ReadU4be();
            }
            private uint _dev;
            private Xfs m_root;
            private Xfs.Dinode m_parent;
            public uint Dev { get { return _dev; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.Dinode M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_dir2_sf, a directory in short form. If any inode number needs it, all of them have 8 bytes.
        /// </summary>
        public partial class ForkDirectory : KaitaiStruct
        {
            public ForkDirectory(bool p_hasFtype, KaitaiStream p__io, Xfs.Dinode p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _hasFtype = p_hasFtype;
            }
            public void _read()
            {
                _count = m_io.ReadU1();
                _i8count = m_io.ReadU1();
                _parent = new DirSfIno(I8count != 0, m_io, this, m_root);
                _parent._read();
                _entries = new List<DirSfEntry>();
                for (var i = 0; i < Count; i++)
                {
                    DirSfEntry _t_entries = new DirSfEntry(HasFtype, I8count != 0, m_io, this, m_root);
                    try
                    {
                        _t_entries._read();
                    }
                    finally
                    {
                        _entries.Add(_t_entries);
                    }
                }
            }
            private byte _count;
            private byte _i8count;
            private DirSfIno _parent;
            private List<DirSfEntry> _entries;
            private bool _hasFtype;
            private Xfs m_root;
            private Xfs.Dinode m_parent;
            public byte Count { get { return _count; } }
            public byte I8count { get { return _i8count; } }
            public DirSfIno Parent { get { return _parent; } }
            public List<DirSfEntry> Entries { get { return _entries; } }
            public bool HasFtype { get { return _hasFtype; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.Dinode M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// The extents themselves, as many as the core says.
        /// </summary>
        public partial class ForkExtents : KaitaiStruct
        {
            public ForkExtents(ulong p_count, KaitaiStream p__io, Xfs.Dinode p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _count = p_count;
            }
            public void _read()
            {
                _recs = new List<BmbtRec>();
                for (var i = 0; i < (Count > 65536 ? 65536 : ((int) (Count))); i++)
                {
                    BmbtRec _t_recs = new BmbtRec(m_io, this, m_root);
                    try
                    {
                        _t_recs._read();
                    }
                    finally
                    {
                        _recs.Add(_t_recs);
                    }
                }
            }
            private List<BmbtRec> _recs;
            private ulong _count;
            private Xfs m_root;
            private Xfs.Dinode m_parent;
            public List<BmbtRec> Recs { get { return _recs; } }
            public ulong Count { get { return _count; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.Dinode M_Parent { get { return m_parent; } }
        }
        public partial class ForkLocal : KaitaiStruct
        {
            public ForkLocal(ulong p_len, KaitaiStream p__io, Xfs.Dinode p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _len = p_len;
            }
            public void _read()
            {
                _contents = m_io.ReadBytes(Len);
            }
            private byte[] _contents;
            private ulong _len;
            private Xfs m_root;
            private Xfs.Dinode m_parent;
            public byte[] Contents { get { return _contents; } }
            public ulong Len { get { return _len; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.Dinode M_Parent { get { return m_parent; } }
        }
        public partial class ForkSymlink : KaitaiStruct
        {
            public ForkSymlink(ulong p_len, KaitaiStream p__io, Xfs.Dinode p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _len = p_len;
            }
            public void _read()
            {
                _target = System.Text.Encoding.GetEncoding("ISO-8859-1").GetString(m_io.ReadBytes(Len));
            }
            private string _target;
            private ulong _len;
            private Xfs m_root;
            private Xfs.Dinode m_parent;
            public string Target { get { return _target; } }
            public ulong Len { get { return _len; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.Dinode M_Parent { get { return m_parent; } }
        }
        public partial class InobtKey : KaitaiStruct
        {
            public static InobtKey FromFile(string fileName)
            {
                return new InobtKey(new KaitaiStream(fileName));
            }

            public InobtKey(KaitaiStream p__io, Xfs.BtreeShortBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _startino = m_io.ReadU4be();
            }
            private uint _startino;
            private Xfs m_root;
            private Xfs.BtreeShortBlock m_parent;
            public uint Startino { get { return _startino; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.BtreeShortBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// A chunk of 64 inodes. Without sparse inodes the 32 bits behind startino are one number, the free count, which
        /// full_freecount gives.
        /// </summary>
        public partial class InobtRec : KaitaiStruct
        {
            public static InobtRec FromFile(string fileName)
            {
                return new InobtRec(new KaitaiStream(fileName));
            }

            public InobtRec(KaitaiStream p__io, Xfs.BtreeShortBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_fullFreecount = false;
            }
            public void _read()
            {
                _startino = m_io.ReadU4be();
                _holemask = m_io.ReadU2be();
                _count = m_io.ReadU1();
                _freecount = m_io.ReadU1();
                _free = m_io.ReadU8be();
            }
            private bool f_fullFreecount;
            private int? _fullFreecount;
            public int? FullFreecount
            {
                get
                {
                    if (f_fullFreecount)
                        return _fullFreecount;
                    f_fullFreecount = true;
                    if ( ((Holemask == 0) && (Count == 0)) ) {
                        _fullFreecount = (int) ((Holemask << 16 | Count << 8) | Freecount);
                    }
                    return _fullFreecount;
                }
            }
            private uint _startino;
            private ushort _holemask;
            private byte _count;
            private byte _freecount;
            private ulong _free;
            private Xfs m_root;
            private Xfs.BtreeShortBlock m_parent;
            public uint Startino { get { return _startino; } }

            /// <summary>
            /// Bit i stands for inodes 4i to 4i+3; 1 if they have no blocks.
            /// </summary>
            public ushort Holemask { get { return _holemask; } }
            public byte Count { get { return _count; } }
            public byte Freecount { get { return _freecount; } }

            /// <summary>
            /// Bit i is set if inode startino+i is free.
            /// </summary>
            public ulong Free { get { return _free; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.BtreeShortBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_attri_log_format, 40 bytes. Names and values follow in regions of their own.
        /// </summary>
        public partial class LogAttri : KaitaiStruct
        {
            public static LogAttri FromFile(string fileName)
            {
                return new LogAttri(new KaitaiStream(fileName));
            }

            public LogAttri(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_op = false;
            }
            public void _read()
            {
                _igen = m_io.ReadU4le();
                _id = m_io.ReadU8le();
                _ino = m_io.ReadU8le();
                _opFlags = m_io.ReadU4le();
                _nameLen = m_io.ReadU4le();
                _valueLen = m_io.ReadU4le();
                _attrFilter = m_io.ReadU4le();
            }
            private bool f_op;
            private AttrOp _op;
            public AttrOp Op
            {
                get
                {
                    if (f_op)
                        return _op;
                    f_op = true;
                    _op = (AttrOp) (((Xfs.AttrOp) ((byte) (OpFlags & 255))));
                    return _op;
                }
            }
            private uint _igen;
            private ulong _id;
            private ulong _ino;
            private uint _opFlags;
            private uint _nameLen;
            private uint _valueLen;
            private uint _attrFilter;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public uint Igen { get { return _igen; } }
            public ulong Id { get { return _id; } }
            public ulong Ino { get { return _ino; } }
            public uint OpFlags { get { return _opFlags; } }

            /// <summary>
            /// When a parent pointer is replaced, the lengths of the old name and, in the upper half, of the new one.
            /// </summary>
            public uint NameLen { get { return _nameLen; } }
            public uint ValueLen { get { return _valueLen; } }
            public uint AttrFilter { get { return _attrFilter; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }
        public partial class LogBmapExtent : KaitaiStruct
        {
            public static LogBmapExtent FromFile(string fileName)
            {
                return new LogBmapExtent(new KaitaiStream(fileName));
            }

            public LogBmapExtent(KaitaiStream p__io, Xfs.LogBui p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_attrfork = false;
                f_op = false;
                f_realtime = false;
                f_unwritten = false;
            }
            public void _read()
            {
                _owner = m_io.ReadU8le();
                _startblock = m_io.ReadU8le();
                _startoff = m_io.ReadU8le();
                _len = m_io.ReadU4le();
                _flags = m_io.ReadU4le();
            }
            private bool f_attrfork;
            private bool _attrfork;
            public bool Attrfork
            {
                get
                {
                    if (f_attrfork)
                        return _attrfork;
                    f_attrfork = true;
                    _attrfork = (bool) ((Flags & 2147483648) != 0);
                    return _attrfork;
                }
            }
            private bool f_op;
            private BmapOp _op;
            public BmapOp Op
            {
                get
                {
                    if (f_op)
                        return _op;
                    f_op = true;
                    _op = (BmapOp) (((Xfs.BmapOp) ((byte) (Flags & 255))));
                    return _op;
                }
            }
            private bool f_realtime;
            private bool _realtime;
            public bool Realtime
            {
                get
                {
                    if (f_realtime)
                        return _realtime;
                    f_realtime = true;
                    _realtime = (bool) ((Flags & 536870912) != 0);
                    return _realtime;
                }
            }
            private bool f_unwritten;
            private bool _unwritten;
            public bool Unwritten
            {
                get
                {
                    if (f_unwritten)
                        return _unwritten;
                    f_unwritten = true;
                    _unwritten = (bool) ((Flags & 1073741824) != 0);
                    return _unwritten;
                }
            }
            private ulong _owner;
            private ulong _startblock;
            private ulong _startoff;
            private uint _len;
            private uint _flags;
            private Xfs m_root;
            private Xfs.LogBui m_parent;
            public ulong Owner { get { return _owner; } }
            public ulong Startblock { get { return _startblock; } }
            public ulong Startoff { get { return _startoff; } }
            public uint Len { get { return _len; } }
            public uint Flags { get { return _flags; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogBui M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_buf_log_format. Bit i of data_map stands for the 128 bytes of the buffer from 128 i on; each run of ones is a
        /// region of its own.
        /// </summary>
        public partial class LogBuf : KaitaiStruct
        {
            public static LogBuf FromFile(string fileName)
            {
                return new LogBuf(new KaitaiStream(fileName));
            }

            public LogBuf(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_bufType = false;
                f_isCancel = false;
                f_isInodeBuf = false;
            }
            public void _read()
            {
                _flags = m_io.ReadU2le();
                _len = m_io.ReadU2le();
                _blkno = m_io.ReadS8le();
                _mapSize = m_io.ReadU4le();
                if (!(_mapSize <= (M_Io.Size - 20) / 4))
                {
                    throw new ValidationGreaterThanError((M_Io.Size - 20) / 4, _mapSize, m_io, "/types/log_buf/seq/3");
                }
                _dataMap = new List<uint>();
                for (var i = 0; i < MapSize; i++)
                {
                    _dataMap.Add(m_io.ReadU4le());
                }
            }
            private bool f_bufType;
            private LogBufType _bufType;
            public LogBufType BufType
            {
                get
                {
                    if (f_bufType)
                        return _bufType;
                    f_bufType = true;
                    _bufType = (LogBufType) (((Xfs.LogBufType) ((byte) (Flags >> 11))));
                    return _bufType;
                }
            }
            private bool f_isCancel;
            private bool _isCancel;
            public bool IsCancel
            {
                get
                {
                    if (f_isCancel)
                        return _isCancel;
                    f_isCancel = true;
                    _isCancel = (bool) ((Flags & 2) != 0);
                    return _isCancel;
                }
            }
            private bool f_isInodeBuf;
            private bool _isInodeBuf;
            public bool IsInodeBuf
            {
                get
                {
                    if (f_isInodeBuf)
                        return _isInodeBuf;
                    f_isInodeBuf = true;
                    _isInodeBuf = (bool) ((Flags & 1) != 0);
                    return _isInodeBuf;
                }
            }
            private ushort _flags;
            private ushort _len;
            private long _blkno;
            private uint _mapSize;
            private List<uint> _dataMap;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public ushort Flags { get { return _flags; } }

            /// <summary>
            /// Of the buffer, in units of 512 bytes.
            /// </summary>
            public ushort Len { get { return _len; } }

            /// <summary>
            /// In units of 512 bytes.
            /// </summary>
            public long Blkno { get { return _blkno; } }
            public uint MapSize { get { return _mapSize; } }
            public List<uint> DataMap { get { return _dataMap; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }
        public partial class LogBui : KaitaiStruct
        {
            public static LogBui FromFile(string fileName)
            {
                return new LogBui(new KaitaiStream(fileName));
            }

            public LogBui(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _nextents = m_io.ReadU4le();
                if (!(_nextents <= (M_Io.Size - 16) / 32))
                {
                    throw new ValidationGreaterThanError((M_Io.Size - 16) / 32, _nextents, m_io, "/types/log_bui/seq/0");
                }
                _id = m_io.ReadU8le();
                _extents = new List<LogBmapExtent>();
                for (var i = 0; i < Nextents; i++)
                {
                    LogBmapExtent _t_extents = new LogBmapExtent(m_io, this, m_root);
                    try
                    {
                        _t_extents._read();
                    }
                    finally
                    {
                        _extents.Add(_t_extents);
                    }
                }
            }
            private uint _nextents;
            private ulong _id;
            private List<LogBmapExtent> _extents;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public uint Nextents { get { return _nextents; } }
            public ulong Id { get { return _id; } }
            public List<LogBmapExtent> Extents { get { return _extents; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }
        public partial class LogCui : KaitaiStruct
        {
            public static LogCui FromFile(string fileName)
            {
                return new LogCui(new KaitaiStream(fileName));
            }

            public LogCui(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _nextents = m_io.ReadU4le();
                if (!(_nextents <= (M_Io.Size - 16) / 16))
                {
                    throw new ValidationGreaterThanError((M_Io.Size - 16) / 16, _nextents, m_io, "/types/log_cui/seq/0");
                }
                _id = m_io.ReadU8le();
                _extents = new List<LogRefcountExtent>();
                for (var i = 0; i < Nextents; i++)
                {
                    LogRefcountExtent _t_extents = new LogRefcountExtent(m_io, this, m_root);
                    try
                    {
                        _t_extents._read();
                    }
                    finally
                    {
                        _extents.Add(_t_extents);
                    }
                }
            }
            private uint _nextents;
            private ulong _id;
            private List<LogRefcountExtent> _extents;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public uint Nextents { get { return _nextents; } }
            public ulong Id { get { return _id; } }
            public List<LogRefcountExtent> Extents { get { return _extents; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// What done items other than an EFD are.
        /// </summary>
        public partial class LogDone : KaitaiStruct
        {
            public static LogDone FromFile(string fileName)
            {
                return new LogDone(new KaitaiStream(fileName));
            }

            public LogDone(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _pad = m_io.ReadU4le();
                _id = m_io.ReadU8le();
            }
            private uint _pad;
            private ulong _id;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public uint Pad { get { return _pad; } }

            /// <summary>
            /// Of the intent that is done.
            /// </summary>
            public ulong Id { get { return _id; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_dq_logformat, 24 bytes. A dquot follows.
        /// </summary>
        public partial class LogDquot : KaitaiStruct
        {
            public static LogDquot FromFile(string fileName)
            {
                return new LogDquot(new KaitaiStream(fileName));
            }

            public LogDquot(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _id = m_io.ReadU4le();
                _blkno = m_io.ReadS8le();
                _len = m_io.ReadS4le();
                _boffset = m_io.ReadU4le();
            }
            private uint _id;
            private long _blkno;
            private int _len;
            private uint _boffset;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public uint Id { get { return _id; } }

            /// <summary>
            /// Of the buffer with the dquot, in units of 512 bytes.
            /// </summary>
            public long Blkno { get { return _blkno; } }

            /// <summary>
            /// Of the buffer, in blocks.
            /// </summary>
            public int Len { get { return _len; } }
            public uint Boffset { get { return _boffset; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_efi_log_format and xfs_efd_log_format.
        /// </summary>
        public partial class LogEfi : KaitaiStruct
        {
            public static LogEfi FromFile(string fileName)
            {
                return new LogEfi(new KaitaiStream(fileName));
            }

            public LogEfi(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _nextents = m_io.ReadU4le();
                if (!(_nextents <= (M_Io.Size - 16) / 16))
                {
                    throw new ValidationGreaterThanError((M_Io.Size - 16) / 16, _nextents, m_io, "/types/log_efi/seq/0");
                }
                _id = m_io.ReadU8le();
                _extents = new List<LogExtent>();
                for (var i = 0; i < Nextents; i++)
                {
                    LogExtent _t_extents = new LogExtent(m_io, this, m_root);
                    try
                    {
                        _t_extents._read();
                    }
                    finally
                    {
                        _extents.Add(_t_extents);
                    }
                }
            }
            private uint _nextents;
            private ulong _id;
            private List<LogExtent> _extents;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public uint Nextents { get { return _nextents; } }
            public ulong Id { get { return _id; } }
            public List<LogExtent> Extents { get { return _extents; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }
        public partial class LogExtent : KaitaiStruct
        {
            public static LogExtent FromFile(string fileName)
            {
                return new LogExtent(new KaitaiStream(fileName));
            }

            public LogExtent(KaitaiStream p__io, Xfs.LogEfi p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _start = m_io.ReadU8le();
                _len = m_io.ReadU4le();
                _pad = m_io.ReadU4le();
            }
            private ulong _start;
            private uint _len;
            private uint _pad;
            private Xfs m_root;
            private Xfs.LogEfi m_parent;
            public ulong Start { get { return _start; } }
            public uint Len { get { return _len; } }
            public uint Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogEfi M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_icreate_log, big-endian behind type and size.
        /// </summary>
        public partial class LogIcreate : KaitaiStruct
        {
            public static LogIcreate FromFile(string fileName)
            {
                return new LogIcreate(new KaitaiStream(fileName));
            }

            public LogIcreate(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _ag = m_io.ReadU4be();
                _agbno = m_io.ReadU4be();
                _count = m_io.ReadU4be();
                _isize = m_io.ReadU4be();
                _length = m_io.ReadU4be();
                _gen = m_io.ReadU4be();
            }
            private uint _ag;
            private uint _agbno;
            private uint _count;
            private uint _isize;
            private uint _length;
            private uint _gen;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public uint Ag { get { return _ag; } }
            public uint Agbno { get { return _agbno; } }
            public uint Count { get { return _count; } }
            public uint Isize { get { return _isize; } }
            public uint Length { get { return _length; } }
            public uint Gen { get { return _gen; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_inode_log_format, 56 bytes.
        /// </summary>
        public partial class LogInode : KaitaiStruct
        {
            public static LogInode FromFile(string fileName)
            {
                return new LogInode(new KaitaiStream(fileName));
            }

            public LogInode(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_hasAttrBtree = false;
                f_hasAttrExtents = false;
                f_hasAttrLocal = false;
                f_hasCore = false;
                f_hasDataBtree = false;
                f_hasDataExtents = false;
                f_hasDataLocal = false;
                f_hasDev = false;
            }
            public void _read()
            {
                _fields = m_io.ReadU4le();
                _asize = m_io.ReadU2le();
                _dsize = m_io.ReadU2le();
                _pad = m_io.ReadU4le();
                _ino = m_io.ReadU8le();
                _dev = m_io.ReadU4le();
                _unionRest = m_io.ReadBytes(12);
                _blkno = m_io.ReadS8le();
                _len = m_io.ReadS4le();
                _boffset = m_io.ReadS4le();
            }
            private bool f_hasAttrBtree;
            private bool _hasAttrBtree;
            public bool HasAttrBtree
            {
                get
                {
                    if (f_hasAttrBtree)
                        return _hasAttrBtree;
                    f_hasAttrBtree = true;
                    _hasAttrBtree = (bool) ((Fields & 256) != 0);
                    return _hasAttrBtree;
                }
            }
            private bool f_hasAttrExtents;
            private bool _hasAttrExtents;
            public bool HasAttrExtents
            {
                get
                {
                    if (f_hasAttrExtents)
                        return _hasAttrExtents;
                    f_hasAttrExtents = true;
                    _hasAttrExtents = (bool) ((Fields & 128) != 0);
                    return _hasAttrExtents;
                }
            }
            private bool f_hasAttrLocal;
            private bool _hasAttrLocal;
            public bool HasAttrLocal
            {
                get
                {
                    if (f_hasAttrLocal)
                        return _hasAttrLocal;
                    f_hasAttrLocal = true;
                    _hasAttrLocal = (bool) ((Fields & 64) != 0);
                    return _hasAttrLocal;
                }
            }
            private bool f_hasCore;
            private bool _hasCore;
            public bool HasCore
            {
                get
                {
                    if (f_hasCore)
                        return _hasCore;
                    f_hasCore = true;
                    _hasCore = (bool) ((Fields & 1) != 0);
                    return _hasCore;
                }
            }
            private bool f_hasDataBtree;
            private bool _hasDataBtree;
            public bool HasDataBtree
            {
                get
                {
                    if (f_hasDataBtree)
                        return _hasDataBtree;
                    f_hasDataBtree = true;
                    _hasDataBtree = (bool) ((Fields & 8) != 0);
                    return _hasDataBtree;
                }
            }
            private bool f_hasDataExtents;
            private bool _hasDataExtents;
            public bool HasDataExtents
            {
                get
                {
                    if (f_hasDataExtents)
                        return _hasDataExtents;
                    f_hasDataExtents = true;
                    _hasDataExtents = (bool) ((Fields & 4) != 0);
                    return _hasDataExtents;
                }
            }
            private bool f_hasDataLocal;
            private bool _hasDataLocal;
            public bool HasDataLocal
            {
                get
                {
                    if (f_hasDataLocal)
                        return _hasDataLocal;
                    f_hasDataLocal = true;
                    _hasDataLocal = (bool) ((Fields & 2) != 0);
                    return _hasDataLocal;
                }
            }
            private bool f_hasDev;
            private bool _hasDev;
            public bool HasDev
            {
                get
                {
                    if (f_hasDev)
                        return _hasDev;
                    f_hasDev = true;
                    _hasDev = (bool) ((Fields & 16) != 0);
                    return _hasDev;
                }
            }
            private uint _fields;
            private ushort _asize;
            private ushort _dsize;
            private uint _pad;
            private ulong _ino;
            private uint _dev;
            private byte[] _unionRest;
            private long _blkno;
            private int _len;
            private int _boffset;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public uint Fields { get { return _fields; } }
            public ushort Asize { get { return _asize; } }
            public ushort Dsize { get { return _dsize; } }
            public uint Pad { get { return _pad; } }
            public ulong Ino { get { return _ino; } }
            public uint Dev { get { return _dev; } }
            public byte[] UnionRest { get { return _unionRest; } }

            /// <summary>
            /// Of the buffer with the inode, in units of 512 bytes.
            /// </summary>
            public long Blkno { get { return _blkno; } }
            public int Len { get { return _len; } }

            /// <summary>
            /// Where in the buffer the inode is.
            /// </summary>
            public int Boffset { get { return _boffset; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// The first region of a log item. size counts the regions of the item, this one included: data of a buffer, core
        /// and forks of an inode (dinode_core(true), then what `fields` names), a dquot, names and values.
        /// </summary>
        public partial class LogItem : KaitaiStruct
        {
            public static LogItem FromFile(string fileName)
            {
                return new LogItem(new KaitaiStream(fileName));
            }

            public LogItem(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _type = ((Xfs.LogItemType) m_io.ReadU2le());
                _size = m_io.ReadU2le();
                switch (Type) {
                case Xfs.LogItemType.Attrd: {
                    _format = new LogDone(m_io, this, m_root);
                    ((LogDone) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Attri: {
                    _format = new LogAttri(m_io, this, m_root);
                    ((LogAttri) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Bud: {
                    _format = new LogDone(m_io, this, m_root);
                    ((LogDone) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Buf: {
                    _format = new LogBuf(m_io, this, m_root);
                    ((LogBuf) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Bui: {
                    _format = new LogBui(m_io, this, m_root);
                    ((LogBui) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Cud: {
                    _format = new LogDone(m_io, this, m_root);
                    ((LogDone) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.CudRt: {
                    _format = new LogDone(m_io, this, m_root);
                    ((LogDone) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Cui: {
                    _format = new LogCui(m_io, this, m_root);
                    ((LogCui) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.CuiRt: {
                    _format = new LogCui(m_io, this, m_root);
                    ((LogCui) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Dquot: {
                    _format = new LogDquot(m_io, this, m_root);
                    ((LogDquot) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Efd: {
                    _format = new LogEfi(m_io, this, m_root);
                    ((LogEfi) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.EfdRt: {
                    _format = new LogEfi(m_io, this, m_root);
                    ((LogEfi) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Efi: {
                    _format = new LogEfi(m_io, this, m_root);
                    ((LogEfi) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.EfiRt: {
                    _format = new LogEfi(m_io, this, m_root);
                    ((LogEfi) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Icreate: {
                    _format = new LogIcreate(m_io, this, m_root);
                    ((LogIcreate) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Inode: {
                    _format = new LogInode(m_io, this, m_root);
                    ((LogInode) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Quotaoff: {
                    _format = new LogQuotaoff(m_io, this, m_root);
                    ((LogQuotaoff) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Rud: {
                    _format = new LogDone(m_io, this, m_root);
                    ((LogDone) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.RudRt: {
                    _format = new LogDone(m_io, this, m_root);
                    ((LogDone) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Rui: {
                    _format = new LogRui(m_io, this, m_root);
                    ((LogRui) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.RuiRt: {
                    _format = new LogRui(m_io, this, m_root);
                    ((LogRui) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Xmd: {
                    _format = new LogDone(m_io, this, m_root);
                    ((LogDone) (_format))._read();
                    break;
                }
                case Xfs.LogItemType.Xmi: {
                    _format = new LogXmi(m_io, this, m_root);
                    ((LogXmi) (_format))._read();
                    break;
                }
                }
            }
            private LogItemType _type;
            private ushort _size;
            private KaitaiStruct _format;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public LogItemType Type { get { return _type; } }
            public ushort Size { get { return _size; } }
            public KaitaiStruct Format { get { return _format; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }
        public partial class LogOp : KaitaiStruct
        {
            public static LogOp FromFile(string fileName)
            {
                return new LogOp(new KaitaiStream(fileName));
            }

            public LogOp(KaitaiStream p__io, Xfs.LogPayload p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _header = new LogOpHeader(m_io, this, m_root);
                _header._read();
                _region = m_io.ReadBytes(Header.Len);
            }
            private LogOpHeader _header;
            private byte[] _region;
            private Xfs m_root;
            private Xfs.LogPayload m_parent;
            public LogOpHeader Header { get { return _header; } }
            public byte[] Region { get { return _region; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogPayload M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xlog_op_header, 12 bytes.
        /// </summary>
        public partial class LogOpHeader : KaitaiStruct
        {
            public static LogOpHeader FromFile(string fileName)
            {
                return new LogOpHeader(new KaitaiStream(fileName));
            }


            public enum Clients
            {
                Transaction = 105,
                Log = 170,
            }
            public LogOpHeader(KaitaiStream p__io, Xfs.LogOp p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _tid = m_io.ReadU4be();
                _len = m_io.ReadU4be();
                _clientid = ((Clients) m_io.ReadU1());
                _reserved1 = m_io.ReadBitsIntBe(2);
                _unmount = m_io.ReadBitsIntBe(1) != 0;
                _end = m_io.ReadBitsIntBe(1) != 0;
                _wasCont = m_io.ReadBitsIntBe(1) != 0;
                _cont = m_io.ReadBitsIntBe(1) != 0;
                _commit = m_io.ReadBitsIntBe(1) != 0;
                _start = m_io.ReadBitsIntBe(1) != 0;
                m_io.AlignToByte();
                _res2 = m_io.ReadU2be();
            }
            private uint _tid;
            private uint _len;
            private Clients _clientid;
            private ulong _reserved1;
            private bool _unmount;
            private bool _end;
            private bool _wasCont;
            private bool _cont;
            private bool _commit;
            private bool _start;
            private ushort _res2;
            private Xfs m_root;
            private Xfs.LogOp m_parent;
            public uint Tid { get { return _tid; } }
            public uint Len { get { return _len; } }
            public Clients Clientid { get { return _clientid; } }
            public ulong Reserved1 { get { return _reserved1; } }
            public bool Unmount { get { return _unmount; } }

            /// <summary>
            /// The last part of a region that was split.
            /// </summary>
            public bool End { get { return _end; } }

            /// <summary>
            /// Goes on with a region of the record before.
            /// </summary>
            public bool WasCont { get { return _wasCont; } }

            /// <summary>
            /// The region goes on in the next record.
            /// </summary>
            public bool Cont { get { return _cont; } }
            public bool Commit { get { return _commit; } }
            public bool Start { get { return _start; } }
            public ushort Res2 { get { return _res2; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogOp M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// The operations of a record. What an operation carries follows from those before it with the same tid: after a
        /// start comes a log_transaction; then, again and again, a log_item, followed by as many more regions as it says.
        /// </summary>
        public partial class LogPayload : KaitaiStruct
        {
            public LogPayload(uint p_numLogops, KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                _numLogops = p_numLogops;
            }
            public void _read()
            {
                _ops = new List<LogOp>();
                for (var i = 0; i < NumLogops; i++)
                {
                    LogOp _t_ops = new LogOp(m_io, this, m_root);
                    try
                    {
                        _t_ops._read();
                    }
                    finally
                    {
                        _ops.Add(_t_ops);
                    }
                }
            }
            private List<LogOp> _ops;
            private uint _numLogops;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public List<LogOp> Ops { get { return _ops; } }
            public uint NumLogops { get { return _numLogops; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }
        public partial class LogQuotaoff : KaitaiStruct
        {
            public static LogQuotaoff FromFile(string fileName)
            {
                return new LogQuotaoff(new KaitaiStream(fileName));
            }

            public LogQuotaoff(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _flags = m_io.ReadU4le();
                _pad = m_io.ReadBytes(12);
            }
            private uint _flags;
            private byte[] _pad;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public uint Flags { get { return _flags; } }
            public byte[] Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// A header of one or more basic blocks of 512 bytes, and the payload. The first word of every basic block of the
        /// payload was replaced by the cycle; what stood there is in cycle_data of the headers, word i for block i. Only
        /// after putting them back is the payload a log_payload.
        /// </summary>
        public partial class LogRecord : KaitaiStruct
        {
            public static LogRecord FromFile(string fileName)
            {
                return new LogRecord(new KaitaiStream(fileName));
            }

            public LogRecord(KaitaiStream p__io, Xfs p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _header = new LogRecordHeader(m_io, this, m_root);
                _header._read();
                {
                    LogRecordHeader M_ = _header;
                    if (!( ((M_.Len <= 262144) && (M_.Size <= 262144)) ))
                    {
                        throw new ValidationExprError(_header, m_io, "/types/log_record/seq/0");
                    }
                }
                _headerPad = m_io.ReadBytes(184);
                __raw_extensions = new List<byte[]>();
                _extensions = new List<LogRecordExtension>();
                for (var i = 0; i < Header.HeaderBlocks - 1; i++)
                {
                    __raw_extensions.Add(m_io.ReadBytes(512));
                    var io___raw_extensions = new KaitaiStream(__raw_extensions[__raw_extensions.Count - 1]);
                    LogRecordExtension _t_extensions = new LogRecordExtension(io___raw_extensions, this, m_root);
                    try
                    {
                        _t_extensions._read();
                    }
                    finally
                    {
                        _extensions.Add(_t_extensions);
                    }
                }
                _stampedPayload = m_io.ReadBytes(Header.Len);
            }
            private LogRecordHeader _header;
            private byte[] _headerPad;
            private List<LogRecordExtension> _extensions;
            private byte[] _stampedPayload;
            private Xfs m_root;
            private Xfs m_parent;
            private List<byte[]> __raw_extensions;
            public LogRecordHeader Header { get { return _header; } }
            public byte[] HeaderPad { get { return _headerPad; } }
            public List<LogRecordExtension> Extensions { get { return _extensions; } }
            public byte[] StampedPayload { get { return _stampedPayload; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs M_Parent { get { return m_parent; } }
            public List<byte[]> M_RawExtensions { get { return __raw_extensions; } }
        }

        /// <summary>
        /// xlog_rec_ext_header, 260 bytes. One for every 32 KiB of h_size beyond the first.
        /// </summary>
        public partial class LogRecordExtension : KaitaiStruct
        {
            public static LogRecordExtension FromFile(string fileName)
            {
                return new LogRecordExtension(new KaitaiStream(fileName));
            }

            public LogRecordExtension(KaitaiStream p__io, Xfs.LogRecord p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _cycle = m_io.ReadU4be();
                _cycleData = new List<uint>();
                for (var i = 0; i < 64; i++)
                {
                    _cycleData.Add(m_io.ReadU4be());
                }
            }
            private uint _cycle;
            private List<uint> _cycleData;
            private Xfs m_root;
            private Xfs.LogRecord m_parent;
            public uint Cycle { get { return _cycle; } }
            public List<uint> CycleData { get { return _cycleData; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogRecord M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xlog_rec_header, 328 bytes.
        /// </summary>
        public partial class LogRecordHeader : KaitaiStruct
        {
            public static LogRecordHeader FromFile(string fileName)
            {
                return new LogRecordHeader(new KaitaiStream(fileName));
            }

            public LogRecordHeader(KaitaiStream p__io, Xfs.LogRecord p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_headerBlocks = false;
            }
            public void _read()
            {
                _magicno = m_io.ReadU4be();
                _cycle = m_io.ReadU4be();
                _version = m_io.ReadU4be();
                _len = m_io.ReadU4be();
                _lsn = m_io.ReadU8be();
                _tailLsn = m_io.ReadU8be();
                _crc = m_io.ReadU4le();
                _prevBlock = m_io.ReadU4be();
                _numLogops = m_io.ReadU4be();
                _cycleData = new List<uint>();
                for (var i = 0; i < 64; i++)
                {
                    _cycleData.Add(m_io.ReadU4be());
                }
                _fmt = m_io.ReadU4be();
                _fsUuid = m_io.ReadBytes(16);
                _size = m_io.ReadU4be();
                _pad = m_io.ReadU4be();
            }
            private bool f_headerBlocks;
            private int _headerBlocks;
            public int HeaderBlocks
            {
                get
                {
                    if (f_headerBlocks)
                        return _headerBlocks;
                    f_headerBlocks = true;
                    _headerBlocks = (int) (((int) ((Size > 32768 ? (Size + 32767) / 32768 : 1))));
                    return _headerBlocks;
                }
            }
            private uint _magicno;
            private uint _cycle;
            private uint _version;
            private uint _len;
            private ulong _lsn;
            private ulong _tailLsn;
            private uint _crc;
            private uint _prevBlock;
            private uint _numLogops;
            private List<uint> _cycleData;
            private uint _fmt;
            private byte[] _fsUuid;
            private uint _size;
            private uint _pad;
            private Xfs m_root;
            private Xfs.LogRecord m_parent;

            /// <summary>
            /// 0xfeedbabe.
            /// </summary>
            public uint Magicno { get { return _magicno; } }
            public uint Cycle { get { return _cycle; } }
            public uint Version { get { return _version; } }

            /// <summary>
            /// Bytes of the payload.
            /// </summary>
            public uint Len { get { return _len; } }

            /// <summary>
            /// Cycle in the upper half, number of the basic block in the lower.
            /// </summary>
            public ulong Lsn { get { return _lsn; } }
            public ulong TailLsn { get { return _tailLsn; } }
            public uint Crc { get { return _crc; } }
            public uint PrevBlock { get { return _prevBlock; } }
            public uint NumLogops { get { return _numLogops; } }
            public List<uint> CycleData { get { return _cycleData; } }
            public uint Fmt { get { return _fmt; } }
            public byte[] FsUuid { get { return _fsUuid; } }

            /// <summary>
            /// h_size, what the writer's buffers hold.
            /// </summary>
            public uint Size { get { return _size; } }
            public uint Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogRecord M_Parent { get { return m_parent; } }
        }
        public partial class LogRefcountExtent : KaitaiStruct
        {
            public static LogRefcountExtent FromFile(string fileName)
            {
                return new LogRefcountExtent(new KaitaiStream(fileName));
            }

            public LogRefcountExtent(KaitaiStream p__io, Xfs.LogCui p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_op = false;
            }
            public void _read()
            {
                _startblock = m_io.ReadU8le();
                _len = m_io.ReadU4le();
                _flags = m_io.ReadU4le();
            }
            private bool f_op;
            private RefcountOp _op;
            public RefcountOp Op
            {
                get
                {
                    if (f_op)
                        return _op;
                    f_op = true;
                    _op = (RefcountOp) (((Xfs.RefcountOp) ((byte) (Flags & 255))));
                    return _op;
                }
            }
            private ulong _startblock;
            private uint _len;
            private uint _flags;
            private Xfs m_root;
            private Xfs.LogCui m_parent;
            public ulong Startblock { get { return _startblock; } }
            public uint Len { get { return _len; } }
            public uint Flags { get { return _flags; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogCui M_Parent { get { return m_parent; } }
        }
        public partial class LogRmapExtent : KaitaiStruct
        {
            public static LogRmapExtent FromFile(string fileName)
            {
                return new LogRmapExtent(new KaitaiStream(fileName));
            }

            public LogRmapExtent(KaitaiStream p__io, Xfs.LogRui p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_attrfork = false;
                f_bmbtblock = false;
                f_op = false;
                f_unwritten = false;
            }
            public void _read()
            {
                _owner = m_io.ReadU8le();
                _startblock = m_io.ReadU8le();
                _startoff = m_io.ReadU8le();
                _len = m_io.ReadU4le();
                _flags = m_io.ReadU4le();
            }
            private bool f_attrfork;
            private bool _attrfork;
            public bool Attrfork
            {
                get
                {
                    if (f_attrfork)
                        return _attrfork;
                    f_attrfork = true;
                    _attrfork = (bool) ((Flags & 2147483648) != 0);
                    return _attrfork;
                }
            }
            private bool f_bmbtblock;
            private bool _bmbtblock;
            public bool Bmbtblock
            {
                get
                {
                    if (f_bmbtblock)
                        return _bmbtblock;
                    f_bmbtblock = true;
                    _bmbtblock = (bool) ((Flags & 1073741824) != 0);
                    return _bmbtblock;
                }
            }
            private bool f_op;
            private RmapOp _op;
            public RmapOp Op
            {
                get
                {
                    if (f_op)
                        return _op;
                    f_op = true;
                    _op = (RmapOp) (((Xfs.RmapOp) ((byte) (Flags & 255))));
                    return _op;
                }
            }
            private bool f_unwritten;
            private bool _unwritten;
            public bool Unwritten
            {
                get
                {
                    if (f_unwritten)
                        return _unwritten;
                    f_unwritten = true;
                    _unwritten = (bool) ((Flags & 536870912) != 0);
                    return _unwritten;
                }
            }
            private ulong _owner;
            private ulong _startblock;
            private ulong _startoff;
            private uint _len;
            private uint _flags;
            private Xfs m_root;
            private Xfs.LogRui m_parent;
            public ulong Owner { get { return _owner; } }
            public ulong Startblock { get { return _startblock; } }
            public ulong Startoff { get { return _startoff; } }
            public uint Len { get { return _len; } }
            public uint Flags { get { return _flags; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogRui M_Parent { get { return m_parent; } }
        }
        public partial class LogRui : KaitaiStruct
        {
            public static LogRui FromFile(string fileName)
            {
                return new LogRui(new KaitaiStream(fileName));
            }

            public LogRui(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _nextents = m_io.ReadU4le();
                if (!(_nextents <= (M_Io.Size - 16) / 32))
                {
                    throw new ValidationGreaterThanError((M_Io.Size - 16) / 32, _nextents, m_io, "/types/log_rui/seq/0");
                }
                _id = m_io.ReadU8le();
                _extents = new List<LogRmapExtent>();
                for (var i = 0; i < Nextents; i++)
                {
                    LogRmapExtent _t_extents = new LogRmapExtent(m_io, this, m_root);
                    try
                    {
                        _t_extents._read();
                    }
                    finally
                    {
                        _extents.Add(_t_extents);
                    }
                }
            }
            private uint _nextents;
            private ulong _id;
            private List<LogRmapExtent> _extents;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public uint Nextents { get { return _nextents; } }
            public ulong Id { get { return _id; } }
            public List<LogRmapExtent> Extents { get { return _extents; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_trans_header, 16 bytes.
        /// </summary>
        public partial class LogTransaction : KaitaiStruct
        {
            public static LogTransaction FromFile(string fileName)
            {
                return new LogTransaction(new KaitaiStream(fileName));
            }


            public enum Magics
            {
                Tran = 1414676814,
            }
            public LogTransaction(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _magic = ((Magics) m_io.ReadU4le());
                _type = m_io.ReadU4le();
                _tid = m_io.ReadU4le();
                _numItems = m_io.ReadU4le();
            }
            private Magics _magic;
            private uint _type;
            private uint _tid;
            private uint _numItems;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public Magics Magic { get { return _magic; } }
            public uint Type { get { return _type; } }
            public uint Tid { get { return _tid; } }
            public uint NumItems { get { return _numItems; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// What the operation of an unmount record carries.
        /// </summary>
        public partial class LogUnmount : KaitaiStruct
        {
            public static LogUnmount FromFile(string fileName)
            {
                return new LogUnmount(new KaitaiStream(fileName));
            }

            public LogUnmount(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _magic = m_io.ReadU2le();
                _pad1 = m_io.ReadU2le();
                _pad2 = m_io.ReadU4le();
            }
            private ushort _magic;
            private ushort _pad1;
            private uint _pad2;
            private Xfs m_root;
            private KaitaiStruct m_parent;

            /// <summary>
            /// 0x556e.
            /// </summary>
            public ushort Magic { get { return _magic; } }
            public ushort Pad1 { get { return _pad1; } }
            public uint Pad2 { get { return _pad2; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_xmi_log_format, 88 bytes. Two ranges that are to be exchanged.
        /// </summary>
        public partial class LogXmi : KaitaiStruct
        {
            public static LogXmi FromFile(string fileName)
            {
                return new LogXmi(new KaitaiStream(fileName));
            }

            public LogXmi(KaitaiStream p__io, Xfs.LogItem p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _pad = m_io.ReadU4le();
                _id = m_io.ReadU8le();
                _ino1 = m_io.ReadU8le();
                _ino2 = m_io.ReadU8le();
                _gen1 = m_io.ReadU4le();
                _gen2 = m_io.ReadU4le();
                _startoff1 = m_io.ReadU8le();
                _startoff2 = m_io.ReadU8le();
                _blockcount = m_io.ReadU8le();
                _flags = m_io.ReadU8le();
                _isize1 = m_io.ReadS8le();
                _isize2 = m_io.ReadS8le();
            }
            private uint _pad;
            private ulong _id;
            private ulong _ino1;
            private ulong _ino2;
            private uint _gen1;
            private uint _gen2;
            private ulong _startoff1;
            private ulong _startoff2;
            private ulong _blockcount;
            private ulong _flags;
            private long _isize1;
            private long _isize2;
            private Xfs m_root;
            private Xfs.LogItem m_parent;
            public uint Pad { get { return _pad; } }
            public ulong Id { get { return _id; } }
            public ulong Ino1 { get { return _ino1; } }
            public ulong Ino2 { get { return _ino2; } }
            public uint Gen1 { get { return _gen1; } }
            public uint Gen2 { get { return _gen2; } }
            public ulong Startoff1 { get { return _startoff1; } }
            public ulong Startoff2 { get { return _startoff2; } }
            public ulong Blockcount { get { return _blockcount; } }
            public ulong Flags { get { return _flags; } }
            public long Isize1 { get { return _isize1; } }
            public long Isize2 { get { return _isize2; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.LogItem M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_parent_rec, the value of a parent pointer whose name is that of the directory entry.
        /// </summary>
        public partial class ParentRec : KaitaiStruct
        {
            public static ParentRec FromFile(string fileName)
            {
                return new ParentRec(new KaitaiStream(fileName));
            }

            public ParentRec(KaitaiStream p__io, Xfs.AttrValue p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _ino = m_io.ReadU8be();
                _gen = m_io.ReadU4be();
            }
            private ulong _ino;
            private uint _gen;
            private Xfs m_root;
            private Xfs.AttrValue m_parent;
            public ulong Ino { get { return _ino; } }
            public uint Gen { get { return _gen; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.AttrValue M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_acl.
        /// </summary>
        public partial class PosixAcl : KaitaiStruct
        {
            public static PosixAcl FromFile(string fileName)
            {
                return new PosixAcl(new KaitaiStream(fileName));
            }

            public PosixAcl(KaitaiStream p__io, Xfs.AttrValue p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _count = m_io.ReadU4be();
                if (!(_count <= (M_Io.Size - 4) / 12))
                {
                    throw new ValidationGreaterThanError((M_Io.Size - 4) / 12, _count, m_io, "/types/posix_acl/seq/0");
                }
                _entries = new List<PosixAclEntry>();
                for (var i = 0; i < Count; i++)
                {
                    PosixAclEntry _t_entries = new PosixAclEntry(m_io, this, m_root);
                    try
                    {
                        _t_entries._read();
                    }
                    finally
                    {
                        _entries.Add(_t_entries);
                    }
                }
            }
            private uint _count;
            private List<PosixAclEntry> _entries;
            private Xfs m_root;
            private Xfs.AttrValue m_parent;
            public uint Count { get { return _count; } }
            public List<PosixAclEntry> Entries { get { return _entries; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.AttrValue M_Parent { get { return m_parent; } }
        }
        public partial class PosixAclEntry : KaitaiStruct
        {
            public static PosixAclEntry FromFile(string fileName)
            {
                return new PosixAclEntry(new KaitaiStream(fileName));
            }


            public enum Tags
            {
                UserObj = 1,
                User = 2,
                GroupObj = 4,
                Group = 8,
                Mask = 16,
                Other = 32,
            }
            public PosixAclEntry(KaitaiStream p__io, Xfs.PosixAcl p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _tag = ((Tags) m_io.ReadU4be());
                _id = m_io.ReadU4be();
                _perm = m_io.ReadU2be();
                _pad = m_io.ReadU2be();
            }
            private Tags _tag;
            private uint _id;
            private ushort _perm;
            private ushort _pad;
            private Xfs m_root;
            private Xfs.PosixAcl m_parent;
            public Tags Tag { get { return _tag; } }
            public uint Id { get { return _id; } }
            public ushort Perm { get { return _perm; } }
            public ushort Pad { get { return _pad; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.PosixAcl M_Parent { get { return m_parent; } }
        }
        public partial class RefcountKey : KaitaiStruct
        {
            public static RefcountKey FromFile(string fileName)
            {
                return new RefcountKey(new KaitaiStream(fileName));
            }

            public RefcountKey(KaitaiStream p__io, Xfs.BtreeShortBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _cowflag = m_io.ReadBitsIntBe(1) != 0;
                _startblock = m_io.ReadBitsIntBe(31);
            }
            private bool _cowflag;
            private ulong _startblock;
            private Xfs m_root;
            private Xfs.BtreeShortBlock m_parent;
            public bool Cowflag { get { return _cowflag; } }
            public ulong Startblock { get { return _startblock; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.BtreeShortBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// How often a run of blocks is mapped; with cowflag it is a reservation of a CoW fork.
        /// </summary>
        public partial class RefcountRec : KaitaiStruct
        {
            public static RefcountRec FromFile(string fileName)
            {
                return new RefcountRec(new KaitaiStream(fileName));
            }

            public RefcountRec(KaitaiStream p__io, Xfs.BtreeShortBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _cowflag = m_io.ReadBitsIntBe(1) != 0;
                _startblock = m_io.ReadBitsIntBe(31);
                m_io.AlignToByte();
                _blockcount = m_io.ReadU4be();
                _refcount = m_io.ReadU4be();
            }
            private bool _cowflag;
            private ulong _startblock;
            private uint _blockcount;
            private uint _refcount;
            private Xfs m_root;
            private Xfs.BtreeShortBlock m_parent;
            public bool Cowflag { get { return _cowflag; } }
            public ulong Startblock { get { return _startblock; } }
            public uint Blockcount { get { return _blockcount; } }
            public uint Refcount { get { return _refcount; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.BtreeShortBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_attr3_rmt_hdr and xfs_dsymlink_hdr.
        /// </summary>
        public partial class RemoteHeader : KaitaiStruct
        {
            public static RemoteHeader FromFile(string fileName)
            {
                return new RemoteHeader(new KaitaiStream(fileName));
            }

            public RemoteHeader(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _magic = ((Xfs.RemoteMagic) m_io.ReadU4be());
                _offset = m_io.ReadU4be();
                _bytes = m_io.ReadU4be();
                _crc = m_io.ReadU4le();
                _uuid = m_io.ReadBytes(16);
                _owner = m_io.ReadU8be();
                _blkno = m_io.ReadU8be();
                _lsn = m_io.ReadU8be();
            }
            private RemoteMagic _magic;
            private uint _offset;
            private uint _bytes;
            private uint _crc;
            private byte[] _uuid;
            private ulong _owner;
            private ulong _blkno;
            private ulong _lsn;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public RemoteMagic Magic { get { return _magic; } }
            public uint Offset { get { return _offset; } }
            public uint Bytes { get { return _bytes; } }
            public uint Crc { get { return _crc; } }
            public byte[] Uuid { get { return _uuid; } }
            public ulong Owner { get { return _owner; } }
            public ulong Blkno { get { return _blkno; } }
            public ulong Lsn { get { return _lsn; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// An rmap_rec without its length; the unwritten bit is always 0.
        /// </summary>
        public partial class RmapKey : KaitaiStruct
        {
            public static RmapKey FromFile(string fileName)
            {
                return new RmapKey(new KaitaiStream(fileName));
            }

            public RmapKey(KaitaiStream p__io, Xfs.RmapKeyPair p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _startblock = m_io.ReadU4be();
                _owner = m_io.ReadU8be();
                _attrfork = m_io.ReadBitsIntBe(1) != 0;
                _bmbtblock = m_io.ReadBitsIntBe(1) != 0;
                _extentflag = m_io.ReadBitsIntBe(1) != 0;
                _reserved = m_io.ReadBitsIntBe(7);
                _offset = m_io.ReadBitsIntBe(54);
            }
            private uint _startblock;
            private ulong _owner;
            private bool _attrfork;
            private bool _bmbtblock;
            private bool _extentflag;
            private ulong _reserved;
            private ulong _offset;
            private Xfs m_root;
            private Xfs.RmapKeyPair m_parent;
            public uint Startblock { get { return _startblock; } }
            public ulong Owner { get { return _owner; } }
            public bool Attrfork { get { return _attrfork; } }
            public bool Bmbtblock { get { return _bmbtblock; } }
            public bool Extentflag { get { return _extentflag; } }
            public ulong Reserved { get { return _reserved; } }
            public ulong Offset { get { return _offset; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.RmapKeyPair M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// The lowest and the highest key below one child of a node.
        /// </summary>
        public partial class RmapKeyPair : KaitaiStruct
        {
            public static RmapKeyPair FromFile(string fileName)
            {
                return new RmapKeyPair(new KaitaiStream(fileName));
            }

            public RmapKeyPair(KaitaiStream p__io, Xfs.BtreeShortBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _low = new RmapKey(m_io, this, m_root);
                _low._read();
                _high = new RmapKey(m_io, this, m_root);
                _high._read();
            }
            private RmapKey _low;
            private RmapKey _high;
            private Xfs m_root;
            private Xfs.BtreeShortBlock m_parent;
            public RmapKey Low { get { return _low; } }
            public RmapKey High { get { return _high; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.BtreeShortBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// Who owns a run of blocks, and where in its data or attribute fork the run begins. Owners from -9 to -1 are no
        /// inodes.
        /// </summary>
        public partial class RmapRec : KaitaiStruct
        {
            public static RmapRec FromFile(string fileName)
            {
                return new RmapRec(new KaitaiStream(fileName));
            }

            public RmapRec(KaitaiStream p__io, Xfs.BtreeShortBlock p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _startblock = m_io.ReadU4be();
                _blockcount = m_io.ReadU4be();
                _owner = m_io.ReadU8be();
                _attrfork = m_io.ReadBitsIntBe(1) != 0;
                _bmbtblock = m_io.ReadBitsIntBe(1) != 0;
                _extentflag = m_io.ReadBitsIntBe(1) != 0;
                _reserved = m_io.ReadBitsIntBe(7);
                _offset = m_io.ReadBitsIntBe(54);
            }
            private uint _startblock;
            private uint _blockcount;
            private ulong _owner;
            private bool _attrfork;
            private bool _bmbtblock;
            private bool _extentflag;
            private ulong _reserved;
            private ulong _offset;
            private Xfs m_root;
            private Xfs.BtreeShortBlock m_parent;
            public uint Startblock { get { return _startblock; } }
            public uint Blockcount { get { return _blockcount; } }
            public ulong Owner { get { return _owner; } }
            public bool Attrfork { get { return _attrfork; } }
            public bool Bmbtblock { get { return _bmbtblock; } }

            /// <summary>
            /// Unwritten.
            /// </summary>
            public bool Extentflag { get { return _extentflag; } }
            public ulong Reserved { get { return _reserved; } }
            public ulong Offset { get { return _offset; } }
            public Xfs M_Root { get { return m_root; } }
            public Xfs.BtreeShortBlock M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// xfs_dsb, first sector of every group. Only the one of group 0 is read at mount; the others are copies
        /// whose counters and inode numbers are out of date.
        /// </summary>
        public partial class Superblock : KaitaiStruct
        {
            public static Superblock FromFile(string fileName)
            {
                return new Superblock(new KaitaiStream(fileName));
            }


            public enum Magics
            {
                Xfsb = 1481003842,
            }
            public Superblock(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
                f_hasBigtime = false;
                f_hasExchangeRange = false;
                f_hasFinobt = false;
                f_hasFtype = false;
                f_hasInobtcount = false;
                f_hasLogXattrs = false;
                f_hasMetaUuid = false;
                f_hasMetadir = false;
                f_hasNrext64 = false;
                f_hasParentPointers = false;
                f_hasReflink = false;
                f_hasRmapbt = false;
                f_hasSparseInodes = false;
                f_needsRepair = false;
                f_version = false;
            }
            public void _read()
            {
                _magicnum = ((Magics) m_io.ReadU4be());
                _blocksize = m_io.ReadU4be();
                _dblocks = m_io.ReadU8be();
                _rblocks = m_io.ReadU8be();
                _rextents = m_io.ReadU8be();
                _uuid = m_io.ReadBytes(16);
                _logstart = m_io.ReadU8be();
                _rootino = m_io.ReadU8be();
                _rbmino = m_io.ReadU8be();
                _rsumino = m_io.ReadU8be();
                _rextsize = m_io.ReadU4be();
                _agblocks = m_io.ReadU4be();
                _agcount = m_io.ReadU4be();
                _rbmblocks = m_io.ReadU4be();
                _logblocks = m_io.ReadU4be();
                _versionnum = m_io.ReadU2be();
                _sectsize = m_io.ReadU2be();
                _inodesize = m_io.ReadU2be();
                _inopblock = m_io.ReadU2be();
                _fname = System.Text.Encoding.GetEncoding("ISO-8859-1").GetString(m_io.ReadBytes(12));
                _blocklog = m_io.ReadU1();
                _sectlog = m_io.ReadU1();
                _inodelog = m_io.ReadU1();
                _inopblog = m_io.ReadU1();
                _agblklog = m_io.ReadU1();
                _rextslog = m_io.ReadU1();
                _inprogress = m_io.ReadU1();
                _imaxPct = m_io.ReadU1();
                _icount = m_io.ReadU8be();
                _ifree = m_io.ReadU8be();
                _fdblocks = m_io.ReadU8be();
                _frextents = m_io.ReadU8be();
                _uquotino = m_io.ReadU8be();
                _gquotino = m_io.ReadU8be();
                _qflags = m_io.ReadU2be();
                _flags = m_io.ReadU1();
                _sharedVn = m_io.ReadU1();
                _inoalignmt = m_io.ReadU4be();
                _unit = m_io.ReadU4be();
                _width = m_io.ReadU4be();
                _dirblklog = m_io.ReadU1();
                _logsectlog = m_io.ReadU1();
                _logsectsize = m_io.ReadU2be();
                _logsunit = m_io.ReadU4be();
                _features2 = m_io.ReadU4be();
                _badFeatures2 = m_io.ReadU4be();
                _featuresCompat = m_io.ReadU4be();
                _featuresRoCompat = m_io.ReadU4be();
                _featuresIncompat = m_io.ReadU4be();
                _featuresLogIncompat = m_io.ReadU4be();
                _crc = m_io.ReadU4le();
                _spinoAlign = m_io.ReadU4be();
                _pquotino = m_io.ReadU8be();
                _lsn = m_io.ReadU8be();
                _metaUuid = m_io.ReadBytes(16);
                _metadirino = m_io.ReadU8be();
                _rgcount = m_io.ReadU4be();
                _rgextents = m_io.ReadU4be();
                _rgblklog = m_io.ReadU1();
                _pad = m_io.ReadBytes(7);
                _rtstart = m_io.ReadU8be();
                _rtreserved = m_io.ReadU8be();
            }
            private bool f_hasBigtime;
            private bool _hasBigtime;
            public bool HasBigtime
            {
                get
                {
                    if (f_hasBigtime)
                        return _hasBigtime;
                    f_hasBigtime = true;
                    _hasBigtime = (bool) ((FeaturesIncompat & 8) != 0);
                    return _hasBigtime;
                }
            }
            private bool f_hasExchangeRange;
            private bool _hasExchangeRange;
            public bool HasExchangeRange
            {
                get
                {
                    if (f_hasExchangeRange)
                        return _hasExchangeRange;
                    f_hasExchangeRange = true;
                    _hasExchangeRange = (bool) ((FeaturesIncompat & 64) != 0);
                    return _hasExchangeRange;
                }
            }
            private bool f_hasFinobt;
            private bool _hasFinobt;
            public bool HasFinobt
            {
                get
                {
                    if (f_hasFinobt)
                        return _hasFinobt;
                    f_hasFinobt = true;
                    _hasFinobt = (bool) ((FeaturesRoCompat & 1) != 0);
                    return _hasFinobt;
                }
            }
            private bool f_hasFtype;
            private bool _hasFtype;
            public bool HasFtype
            {
                get
                {
                    if (f_hasFtype)
                        return _hasFtype;
                    f_hasFtype = true;
                    _hasFtype = (bool) ((FeaturesIncompat & 1) != 0);
                    return _hasFtype;
                }
            }
            private bool f_hasInobtcount;
            private bool _hasInobtcount;
            public bool HasInobtcount
            {
                get
                {
                    if (f_hasInobtcount)
                        return _hasInobtcount;
                    f_hasInobtcount = true;
                    _hasInobtcount = (bool) ((FeaturesRoCompat & 8) != 0);
                    return _hasInobtcount;
                }
            }
            private bool f_hasLogXattrs;
            private bool _hasLogXattrs;
            public bool HasLogXattrs
            {
                get
                {
                    if (f_hasLogXattrs)
                        return _hasLogXattrs;
                    f_hasLogXattrs = true;
                    _hasLogXattrs = (bool) ((FeaturesLogIncompat & 1) != 0);
                    return _hasLogXattrs;
                }
            }
            private bool f_hasMetaUuid;
            private bool _hasMetaUuid;
            public bool HasMetaUuid
            {
                get
                {
                    if (f_hasMetaUuid)
                        return _hasMetaUuid;
                    f_hasMetaUuid = true;
                    _hasMetaUuid = (bool) ((FeaturesIncompat & 4) != 0);
                    return _hasMetaUuid;
                }
            }
            private bool f_hasMetadir;
            private bool _hasMetadir;
            public bool HasMetadir
            {
                get
                {
                    if (f_hasMetadir)
                        return _hasMetadir;
                    f_hasMetadir = true;
                    _hasMetadir = (bool) ((FeaturesIncompat & 256) != 0);
                    return _hasMetadir;
                }
            }
            private bool f_hasNrext64;
            private bool _hasNrext64;
            public bool HasNrext64
            {
                get
                {
                    if (f_hasNrext64)
                        return _hasNrext64;
                    f_hasNrext64 = true;
                    _hasNrext64 = (bool) ((FeaturesIncompat & 32) != 0);
                    return _hasNrext64;
                }
            }
            private bool f_hasParentPointers;
            private bool _hasParentPointers;
            public bool HasParentPointers
            {
                get
                {
                    if (f_hasParentPointers)
                        return _hasParentPointers;
                    f_hasParentPointers = true;
                    _hasParentPointers = (bool) ((FeaturesIncompat & 128) != 0);
                    return _hasParentPointers;
                }
            }
            private bool f_hasReflink;
            private bool _hasReflink;
            public bool HasReflink
            {
                get
                {
                    if (f_hasReflink)
                        return _hasReflink;
                    f_hasReflink = true;
                    _hasReflink = (bool) ((FeaturesRoCompat & 4) != 0);
                    return _hasReflink;
                }
            }
            private bool f_hasRmapbt;
            private bool _hasRmapbt;
            public bool HasRmapbt
            {
                get
                {
                    if (f_hasRmapbt)
                        return _hasRmapbt;
                    f_hasRmapbt = true;
                    _hasRmapbt = (bool) ((FeaturesRoCompat & 2) != 0);
                    return _hasRmapbt;
                }
            }
            private bool f_hasSparseInodes;
            private bool _hasSparseInodes;
            public bool HasSparseInodes
            {
                get
                {
                    if (f_hasSparseInodes)
                        return _hasSparseInodes;
                    f_hasSparseInodes = true;
                    _hasSparseInodes = (bool) ((FeaturesIncompat & 2) != 0);
                    return _hasSparseInodes;
                }
            }
            private bool f_needsRepair;
            private bool _needsRepair;
            public bool NeedsRepair
            {
                get
                {
                    if (f_needsRepair)
                        return _needsRepair;
                    f_needsRepair = true;
                    _needsRepair = (bool) ((FeaturesIncompat & 16) != 0);
                    return _needsRepair;
                }
            }
            private bool f_version;
            private int _version;
            public int Version
            {
                get
                {
                    if (f_version)
                        return _version;
                    f_version = true;
                    _version = (int) (Versionnum & 15);
                    return _version;
                }
            }
            private Magics _magicnum;
            private uint _blocksize;
            private ulong _dblocks;
            private ulong _rblocks;
            private ulong _rextents;
            private byte[] _uuid;
            private ulong _logstart;
            private ulong _rootino;
            private ulong _rbmino;
            private ulong _rsumino;
            private uint _rextsize;
            private uint _agblocks;
            private uint _agcount;
            private uint _rbmblocks;
            private uint _logblocks;
            private ushort _versionnum;
            private ushort _sectsize;
            private ushort _inodesize;
            private ushort _inopblock;
            private string _fname;
            private byte _blocklog;
            private byte _sectlog;
            private byte _inodelog;
            private byte _inopblog;
            private byte _agblklog;
            private byte _rextslog;
            private byte _inprogress;
            private byte _imaxPct;
            private ulong _icount;
            private ulong _ifree;
            private ulong _fdblocks;
            private ulong _frextents;
            private ulong _uquotino;
            private ulong _gquotino;
            private ushort _qflags;
            private byte _flags;
            private byte _sharedVn;
            private uint _inoalignmt;
            private uint _unit;
            private uint _width;
            private byte _dirblklog;
            private byte _logsectlog;
            private ushort _logsectsize;
            private uint _logsunit;
            private uint _features2;
            private uint _badFeatures2;
            private uint _featuresCompat;
            private uint _featuresRoCompat;
            private uint _featuresIncompat;
            private uint _featuresLogIncompat;
            private uint _crc;
            private uint _spinoAlign;
            private ulong _pquotino;
            private ulong _lsn;
            private byte[] _metaUuid;
            private ulong _metadirino;
            private uint _rgcount;
            private uint _rgextents;
            private byte _rgblklog;
            private byte[] _pad;
            private ulong _rtstart;
            private ulong _rtreserved;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public Magics Magicnum { get { return _magicnum; } }

            /// <summary>
            /// Bytes of a block.
            /// </summary>
            public uint Blocksize { get { return _blocksize; } }
            public ulong Dblocks { get { return _dblocks; } }
            public ulong Rblocks { get { return _rblocks; } }
            public ulong Rextents { get { return _rextents; } }
            public byte[] Uuid { get { return _uuid; } }

            /// <summary>
            /// fsbno of the internal log, 0 if it is external.
            /// </summary>
            public ulong Logstart { get { return _logstart; } }
            public ulong Rootino { get { return _rootino; } }
            public ulong Rbmino { get { return _rbmino; } }
            public ulong Rsumino { get { return _rsumino; } }
            public uint Rextsize { get { return _rextsize; } }
            public uint Agblocks { get { return _agblocks; } }
            public uint Agcount { get { return _agcount; } }
            public uint Rbmblocks { get { return _rbmblocks; } }
            public uint Logblocks { get { return _logblocks; } }
            public ushort Versionnum { get { return _versionnum; } }
            public ushort Sectsize { get { return _sectsize; } }
            public ushort Inodesize { get { return _inodesize; } }
            public ushort Inopblock { get { return _inopblock; } }

            /// <summary>
            /// The label.
            /// </summary>
            public string Fname { get { return _fname; } }
            public byte Blocklog { get { return _blocklog; } }
            public byte Sectlog { get { return _sectlog; } }
            public byte Inodelog { get { return _inodelog; } }
            public byte Inopblog { get { return _inopblog; } }
            public byte Agblklog { get { return _agblklog; } }
            public byte Rextslog { get { return _rextslog; } }
            public byte Inprogress { get { return _inprogress; } }
            public byte ImaxPct { get { return _imaxPct; } }
            public ulong Icount { get { return _icount; } }
            public ulong Ifree { get { return _ifree; } }
            public ulong Fdblocks { get { return _fdblocks; } }
            public ulong Frextents { get { return _frextents; } }
            public ulong Uquotino { get { return _uquotino; } }
            public ulong Gquotino { get { return _gquotino; } }
            public ushort Qflags { get { return _qflags; } }
            public byte Flags { get { return _flags; } }
            public byte SharedVn { get { return _sharedVn; } }

            /// <summary>
            /// Alignment of inode chunks in blocks.
            /// </summary>
            public uint Inoalignmt { get { return _inoalignmt; } }
            public uint Unit { get { return _unit; } }
            public uint Width { get { return _width; } }

            /// <summary>
            /// log2 of blocks in a directory block.
            /// </summary>
            public byte Dirblklog { get { return _dirblklog; } }
            public byte Logsectlog { get { return _logsectlog; } }
            public ushort Logsectsize { get { return _logsectsize; } }

            /// <summary>
            /// Log stripe unit in bytes, 1 if there is none.
            /// </summary>
            public uint Logsunit { get { return _logsunit; } }
            public uint Features2 { get { return _features2; } }
            public uint BadFeatures2 { get { return _badFeatures2; } }
            public uint FeaturesCompat { get { return _featuresCompat; } }
            public uint FeaturesRoCompat { get { return _featuresRoCompat; } }
            public uint FeaturesIncompat { get { return _featuresIncompat; } }
            public uint FeaturesLogIncompat { get { return _featuresLogIncompat; } }
            public uint Crc { get { return _crc; } }
            public uint SpinoAlign { get { return _spinoAlign; } }
            public ulong Pquotino { get { return _pquotino; } }
            public ulong Lsn { get { return _lsn; } }

            /// <summary>
            /// What metadata blocks carry if has_meta_uuid, otherwise zero.
            /// </summary>
            public byte[] MetaUuid { get { return _metaUuid; } }
            public ulong Metadirino { get { return _metadirino; } }
            public uint Rgcount { get { return _rgcount; } }
            public uint Rgextents { get { return _rgextents; } }
            public byte Rgblklog { get { return _rgblklog; } }
            public byte[] Pad { get { return _pad; } }
            public ulong Rtstart { get { return _rtstart; } }
            public ulong Rtreserved { get { return _rtreserved; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }

        /// <summary>
        /// The target of a symbolic link that does not fit into the inode (XSLM), one for each extent of the link.
        /// </summary>
        public partial class SymlinkBlock : KaitaiStruct
        {
            public static SymlinkBlock FromFile(string fileName)
            {
                return new SymlinkBlock(new KaitaiStream(fileName));
            }

            public SymlinkBlock(KaitaiStream p__io, KaitaiStruct p__parent = null, Xfs p__root = null) : base(p__io)
            {
                m_parent = p__parent;
                m_root = p__root;
            }
            public void _read()
            {
                _header = new RemoteHeader(m_io, this, m_root);
                _header._read();
                {
                    RemoteHeader M_ = _header;
                    if (!(M_.Bytes <= M_Io.Size - 56))
                    {
                        throw new ValidationExprError(_header, m_io, "/types/symlink_block/seq/0");
                    }
                }
                _target = System.Text.Encoding.GetEncoding("ISO-8859-1").GetString(m_io.ReadBytes(Header.Bytes));
            }
            private RemoteHeader _header;
            private string _target;
            private Xfs m_root;
            private KaitaiStruct m_parent;
            public RemoteHeader Header { get { return _header; } }
            public string Target { get { return _target; } }
            public Xfs M_Root { get { return m_root; } }
            public KaitaiStruct M_Parent { get { return m_parent; } }
        }
        private bool f_agSize;
        private long _agSize;

        /// <summary>
        /// Bytes of every group but the last, which may be shorter.
        /// </summary>
        public long AgSize
        {
            get
            {
                if (f_agSize)
                    return _agSize;
                f_agSize = true;
                _agSize = (long) (((long) (((long) (Sb.Agblocks)) << Sb.Blocklog)));
                return _agSize;
            }
        }
        private bool f_ags;
        private List<AllocationGroup> _ags;
        public List<AllocationGroup> Ags
        {
            get
            {
                if (f_ags)
                    return _ags;
                f_ags = true;
                _ags = new List<AllocationGroup>();
                for (var i = 0; i < (Sb.Agcount < AgsInStream ? ((long) (Sb.Agcount)) : AgsInStream); i++)
                {
                    AllocationGroup _t_ags = new AllocationGroup(i, m_io, this, m_root);
                    try
                    {
                        _t_ags._read();
                    }
                    finally
                    {
                        _ags.Add(_t_ags);
                    }
                }
                return _ags;
            }
        }
        private bool f_agsInStream;
        private long _agsInStream;
        public long AgsInStream
        {
            get
            {
                if (f_agsInStream)
                    return _agsInStream;
                f_agsInStream = true;
                _agsInStream = (long) (((long) (((M_Io.Size + AgSize) - 1) / AgSize)));
                return _agsInStream;
            }
        }
        private bool f_blockSize;
        private int _blockSize;
        public int BlockSize
        {
            get
            {
                if (f_blockSize)
                    return _blockSize;
                f_blockSize = true;
                _blockSize = (int) (1 << Sb.Blocklog);
                return _blockSize;
            }
        }
        private bool f_dirBlockSize;
        private int _dirBlockSize;
        public int DirBlockSize
        {
            get
            {
                if (f_dirBlockSize)
                    return _dirBlockSize;
                f_dirBlockSize = true;
                _dirBlockSize = (int) (1 << Sb.Blocklog + Sb.Dirblklog);
                return _dirBlockSize;
            }
        }
        private bool f_inodeSize;
        private int _inodeSize;
        public int InodeSize
        {
            get
            {
                if (f_inodeSize)
                    return _inodeSize;
                f_inodeSize = true;
                _inodeSize = (int) (1 << Sb.Inodelog);
                return _inodeSize;
            }
        }
        private bool f_logFirstRecord;
        private LogRecord _logFirstRecord;

        /// <summary>
        /// Records follow each other in a ring; where the newest ends is found by the cycle numbers.
        /// </summary>
        public LogRecord LogFirstRecord
        {
            get
            {
                if (f_logFirstRecord)
                    return _logFirstRecord;
                f_logFirstRecord = true;
                if (Sb.Logstart != 0) {
                    long _pos = m_io.Pos;
                    m_io.Seek(LogOffset);
                    _logFirstRecord = new LogRecord(m_io, this, m_root);
                    _logFirstRecord._read();
                    m_io.Seek(_pos);
                }
                return _logFirstRecord;
            }
        }
        private bool f_logOffset;
        private long _logOffset;

        /// <summary>
        /// Bytes from the start of the device; meaningless if the log is external (logstart is 0).
        /// </summary>
        public long LogOffset
        {
            get
            {
                if (f_logOffset)
                    return _logOffset;
                f_logOffset = true;
                _logOffset = (long) (((long) (((long) (Sb.Logstart >> Sb.Agblklog)) * AgSize + ((((long) (Sb.Logstart)) & (((long) (1)) << Sb.Agblklog) - 1) << Sb.Blocklog))));
                return _logOffset;
            }
        }
        private bool f_sectorSize;
        private int _sectorSize;
        public int SectorSize
        {
            get
            {
                if (f_sectorSize)
                    return _sectorSize;
                f_sectorSize = true;
                _sectorSize = (int) (1 << Sb.Sectlog);
                return _sectorSize;
            }
        }
        private Superblock _sb;
        private Xfs m_root;
        private KaitaiStruct m_parent;

        /// <summary>
        /// The superblock of group 0, by which everything else is found.
        /// </summary>
        public Superblock Sb { get { return _sb; } }
        public Xfs M_Root { get { return m_root; } }
        public KaitaiStruct M_Parent { get { return m_parent; } }
    }
}
