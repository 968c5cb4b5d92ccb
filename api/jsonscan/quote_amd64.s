#include "textflag.h"

// One bit for each byte of a block tells what it is. Which bytes a backslash
// escapes comes out of an addition: a run of backslashes carries into the byte
// behind it, which is escaped if the run is odd, and that shows in whether the run
// began at an even byte. The method is simdjson's, with its single addition for
// runs that begin at odd bytes (G. Langdale and D. Lemire, Parsing Gigabytes of
// JSON per Second, VLDB Journal 28, 2019, section 3.1.1, has two).
//
// func closingQuoteBlocks(first *byte, n int, controls uint64) (at int, escaped bool)
TEXT ·closingQuoteBlocks(SB), NOSPLIT, $0-33
	MOVQ first+0(FP), SI
	MOVQ n+8(FP), DX
	MOVQ controls+16(FP), R8
	XORQ AX, AX                      // where the block begins
	XORQ R9, R9                      // 1 if its first byte is escaped
	MOVQ $0x5555555555555555, R11    // the even bytes
	MOVQ $'"', BX
	MOVQ BX, X0
	VPBROADCASTB X0, Y0
	MOVQ $'\\', BX
	MOVQ BX, X1
	VPBROADCASTB X1, Y1
	MOVQ $0x1f, BX
	MOVQ BX, X2
	VPBROADCASTB X2, Y2

next:
	CMPQ AX, DX
	JGE  none
	VMOVDQU (SI)(AX*1), Y3
	VMOVDQU 32(SI)(AX*1), Y4

	// BX: the backslashes.
	VPCMPEQB  Y1, Y3, Y5
	VPCMPEQB  Y1, Y4, Y6
	VPMOVMSKB Y5, BX
	VPMOVMSKB Y6, CX
	SHLQ      $32, CX
	ORQ       CX, BX

	// R12: the quotes.
	VPCMPEQB  Y0, Y3, Y5
	VPCMPEQB  Y0, Y4, Y6
	VPMOVMSKB Y5, R12
	VPMOVMSKB Y6, R13
	SHLQ      $32, R13
	ORQ       R13, R12

	// R13: the control characters, which are what the lesser of them and 0x1f is.
	VPMINUB   Y2, Y3, Y5
	VPMINUB   Y2, Y4, Y6
	VPCMPEQB  Y3, Y5, Y5
	VPCMPEQB  Y4, Y6, Y6
	VPMOVMSKB Y5, R13
	VPMOVMSKB Y6, DI
	SHLQ      $32, DI
	ORQ       DI, R13
	ANDQ      R8, R13

	// A backslash that is escaped escapes nothing. CX: what follows one that may.
	MOVQ R9, CX
	NOTQ CX
	ANDQ CX, BX
	LEAQ (R9)(BX*2), CX

	// DI: the runs that begin at an odd byte, then where such runs have carried to,
	// and those that begin at an even one left as they are.
	MOVQ CX, DI
	ORQ  R11, DI
	NOTQ DI
	ANDQ BX, DI
	ADDQ BX, DI
	SETCS R9
	MOVBQZX R9, R9

	// DI: the bytes that are escaped.
	ADDQ DI, DI
	XORQ R11, DI
	ANDQ CX, DI

	NOTQ DI
	ANDQ DI, R12
	ORQ  R13, R12
	JNE  found
	ADDQ $64, AX
	JMP  next

found:
	BSFQ R12, R12
	ADDQ R12, AX

none:
	VZEROUPPER
	MOVQ AX, at+24(FP)
	MOVB R9, escaped+32(FP)
	RET
