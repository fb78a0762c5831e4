import { describe, expect, it } from 'vitest'
import { expandCompressed } from './compressed.ts'

// What the GNU assembler says: the instruction, its 16 bits, the 32 bits it stands for.
const TABLE: readonly (readonly [string, number, number])[] = [
  ['c.addi', 0x0f39, 0x00ef0f13],
  ['c.addi', 0x0859, 0x01680813],
  ['c.slli', 0x0b82, 0x000b9b93],
  ['c.slli', 0x0f02, 0x000f1f13],
  ['c.slli', 0x1486, 0x02149493],
  ['c.slli', 0x1316, 0x02531313],
  ['c.addi4spn', 0x0238, 0x10810713],
  ['c.addi4spn', 0x1380, 0x1e010413],
  ['c.fld', 0x20d4, 0x0804b687],
  ['c.fld', 0x3e04, 0x03863487],
  ['c.fldsp', 0x309a, 0x1a013087],
  ['c.fldsp', 0x2efe, 0x1d813e87],
  ['c.addiw', 0x26a1, 0x0086869b],
  ['c.addiw', 0x37f1, 0xffc7879b],
  ['c.lw', 0x5e18, 0x03862703],
  ['c.lw', 0x5e7c, 0x07c62783],
  ['c.li', 0x5969, 0xffa00913],
  ['c.li', 0x49a1, 0x00800993],
  ['c.lwsp', 0x47ea, 0x09812783],
  ['c.lwsp', 0x5552, 0x03412503],
  ['c.ld', 0x69b4, 0x0505b683],
  ['c.ld', 0x78f4, 0x0f04b683],
  ['c.lui', 0x7935, 0xfffed937],
  ['c.lui', 0x6085, 0x000010b7],
  ['c.ldsp', 0x767e, 0x1f813603],
  ['c.ldsp', 0x79de, 0x1f013983],
  ['c.addi16sp', 0x6121, 0x04010113],
  ['c.addi16sp', 0x6151, 0x11010113],
  ['c.srli', 0x8001, 0x00045413],
  ['c.srli', 0x8101, 0x00055513],
  ['c.srli', 0x925d, 0x03765613],
  ['c.srli', 0x8041, 0x01045413],
  ['c.mv', 0x8d9e, 0x00700db3],
  ['c.mv', 0x8e4e, 0x01300e33],
  ['c.jr', 0x8482, 0x00048067],
  ['c.jr', 0x8802, 0x00080067],
  ['c.srai', 0x8701, 0x40075713],
  ['c.srai', 0x8681, 0x4006d693],
  ['c.srai', 0x966d, 0x43b65613],
  ['c.srai', 0x977d, 0x43f75713],
  ['c.andi', 0x9ad5, 0xff56f693],
  ['c.andi', 0x9a51, 0xff467613],
  ['c.sub', 0x8f81, 0x408787b3],
  ['c.sub', 0x8d05, 0x40950533],
  ['c.xor', 0x8eb9, 0x00e6c6b3],
  ['c.xor', 0x8cb1, 0x00c4c4b3],
  ['c.or', 0x8c51, 0x00c46433],
  ['c.or', 0x8d45, 0x00956533],
  ['c.and', 0x8ffd, 0x00f7f7b3],
  ['c.and', 0x8ded, 0x00b5f5b3],
  ['c.ebreak', 0x9002, 0x00100073],
  ['c.add', 0x9ff2, 0x01cf8fb3],
  ['c.add', 0x9b1e, 0x007b0b33],
  ['c.jalr', 0x9702, 0x000700e7],
  ['c.jalr', 0x9c82, 0x000c80e7],
  ['c.subw', 0x9e19, 0x40e6063b],
  ['c.subw', 0x9f15, 0x40d7073b],
  ['c.addw', 0x9f25, 0x0097073b],
  ['c.addw', 0x9eb1, 0x00c686bb],
  ['c.fsd', 0xba14, 0x02d63827],
  ['c.fsd', 0xaedc, 0x08f6bc27],
  ['c.j', 0xb58d, 0xe63ff06f],
  ['c.j', 0xa1d5, 0x4e40006f],
  ['c.fsdsp', 0xb1e6, 0x0f913027],
  ['c.fsdsp', 0xaa72, 0x11c13827],
  ['c.sw', 0xd4e0, 0x0684a623],
  ['c.sw', 0xc6a8, 0x04a6a423],
  ['c.beqz', 0xcd81, 0x00058c63],
  ['c.beqz', 0xd115, 0xf20502e3],
  ['c.swsp', 0xd23e, 0x02f12223],
  ['c.swsp', 0xc7f6, 0x0dd12623],
  ['c.sd', 0xe40c, 0x00b43423],
  ['c.sd', 0xfed8, 0x0ae6bc23],
  ['c.bnez', 0xfef1, 0xfc069ee3],
  ['c.bnez', 0xe5a9, 0x04059563],
  ['c.sdsp', 0xf606, 0x12113423],
  ['c.sdsp', 0xe442, 0x01013423],
]

// Quadrant and funct3 that are reserved, or reserved for some operands.
const RESERVED = [0x0000, 0x8000, 0x2001, 0x6101, 0x6001, 0x9c41, 0x9c61, 0x4002, 0x6002, 0x8002]

describe('expandCompressed', () => {
  it.each(TABLE)('%s (%i)', (_, short, word) => {
    expect(expandCompressed(short) >>> 0).toBe(word)
  })
  it.each(RESERVED)('reserves halfword %i', (short) => {
    expect(expandCompressed(short)).toBe(0)
  })
  it('expands all 46743 legal encodings as the assembler does', () => {
    // The sum was computed from the assembler's words, 0 standing for what it does not know.
    let legal = 0
    let sum = 0
    for (let c = 0; c < 65536; c++) {
      if ((c & 3) === 3) continue
      const word = expandCompressed(c) >>> 0
      if (word !== 0) legal++
      sum = (Math.imul(sum ^ word, 0x01000193) + c) | 0
    }
    expect([legal, sum]).toEqual([46743, -1757727963])
  })
})
