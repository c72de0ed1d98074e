//! One vector register, by name: for the few loops whose sums must stay in registers, which compilers do not see to by
//! themselves.

use crate::simd::Kernel;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;
use std::array::from_fn;

/// As many numbers as a register of an instruction set holds.
///
/// All functions are for loops compiled for that instruction set ([`simd`](crate::simd)), addresses for as many numbers.
pub trait Vector<T>: Copy {
    /// How many numbers.
    const LANES: usize;

    /// Runs a kernel, compiled for the instruction set and by itself: into what else is compiled, it is not inlined.
    ///
    /// # Safety
    /// On a processor that has the instruction set.
    unsafe fn run<K: Kernel>(kernel: K) -> K::Out;

    /// The same number everywhere.
    ///
    /// # Safety
    /// In a loop compiled for the instruction set.
    unsafe fn splat(v: T) -> Self;

    /// The numbers from an address on.
    ///
    /// # Safety
    /// In a loop compiled for the instruction set, where so many numbers lie.
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: as the caller says; a register has the bits of its numbers.
        unsafe { from.cast::<Self>().read_unaligned() }
    }

    /// The numbers of several registers.
    ///
    /// # Safety
    /// As of [`load`](Self::load), for all of them.
    #[inline(always)]
    unsafe fn loads<const N: usize>(from: *const T) -> [Self; N] {
        from_fn(
            #[inline(always)]
            |n| {
                // SAFETY: as the caller says.
                unsafe { Self::load(from.wrapping_add(n * Self::LANES)) }
            },
        )
    }

    /// Writes the numbers.
    ///
    /// # Safety
    /// In a loop compiled for the instruction set, where so many numbers lie, which are nobody else's.
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: as the caller says.
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }

    /// `self · a + b`, rounded once where the processor can.
    ///
    /// # Safety
    /// In a loop compiled for the instruction set.
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;

    /// `self + a`
    ///
    /// # Safety
    /// In a loop compiled for the instruction set.
    unsafe fn add(self, a: Self) -> Self;
}

/// Asks for what lies there, which will be needed soon: by then it may have arrived in the second-level cache. For what a
/// processor does not foresee: the next part of an array after a while in which other memory is read.
#[inline(always)]
pub(crate) fn prefetch<T>(x: &[T]) {
    const LINE: usize = 64;
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for line in x.chunks((LINE / size_of::<T>()).max(1)) {
        // SAFETY: the instruction belongs to every processor of the target and changes nothing.
        unsafe { x86::_mm_prefetch::<{ x86::_MM_HINT_T1 }>(line.as_ptr().cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = x;
}

/// The registers that hold numbers of a type.
pub trait Vectors: Sized {
    /// With AVX-512.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Vector<Self>;
    /// With AVX2.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Vector<Self>;
    /// On every processor.
    type Portable: Vector<Self>;

    /// Turns a square round: `to[j·step + i] = from[i·apart + j]` for `i` and `j` below 4.
    ///
    /// # Safety
    /// Where all these numbers lie, and those of `to` are nobody else's.
    unsafe fn turn(from: *const Self, apart: usize, to: *mut Self, step: usize);
}

macro_rules! vectors {
    ($T:ident $turn:ident: [$Avx512:ident $lanes512:literal $splat512:ident $add512:ident $mul_add512:ident]
     [$Avx2:ident $lanes2:literal $splat2:ident $add2:ident $mul_add2:ident] [$lanes:literal]) => {
        impl Vectors for $T {
            #[cfg(target_arch = "x86_64")]
            type Avx512 = x86::$Avx512;
            #[cfg(target_arch = "x86_64")]
            type Avx2 = x86::$Avx2;
            type Portable = [$T; $lanes];
            #[inline(always)]
            unsafe fn turn(from: *const Self, apart: usize, to: *mut Self, step: usize) {
                // SAFETY: as the caller says; the instructions belong to every processor of the target.
                unsafe { $turn(from, apart, to, step) }
            }
        }
        vectors!(@x86 $T avx512 $Avx512 $lanes512 $splat512 $add512 $mul_add512);
        vectors!(@x86 $T avx2 $Avx2 $lanes2 $splat2 $add2 $mul_add2);
        impl Vector<$T> for [$T; $lanes] {
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn run<K: Kernel>(kernel: K) -> K::Out {
                kernel.portable()
            }
            #[inline(always)]
            unsafe fn splat(v: $T) -> Self {
                [v; $lanes]
            }
            #[inline(always)]
            unsafe fn mul_add(self, a: Self, b: Self) -> Self {
                from_fn(
                    #[inline(always)]
                    |i| self[i] * a[i] + b[i],
                )
            }
            #[inline(always)]
            unsafe fn add(self, a: Self) -> Self {
                from_fn(
                    #[inline(always)]
                    |i| self[i] + a[i],
                )
            }
        }
    };
    (@x86 $T:ident $level:ident $R:ident $lanes:literal $splat:ident $add:ident $mul_add:ident) => {
        #[cfg(target_arch = "x86_64")]
        impl Vector<$T> for x86::$R {
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn run<K: Kernel>(kernel: K) -> K::Out {
                // SAFETY: as the caller says.
                unsafe { kernel.$level() }
            }
            #[inline(always)]
            unsafe fn splat(v: $T) -> Self {
                // SAFETY: as the caller says.
                unsafe { x86::$splat(v) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, a: Self, b: Self) -> Self {
                // SAFETY: as the caller says.
                unsafe { x86::$mul_add(self, a, b) }
            }
            #[inline(always)]
            unsafe fn add(self, a: Self) -> Self {
                // SAFETY: as the caller says.
                unsafe { x86::$add(self, a) }
            }
        }
    };
}
vectors!(f32 turn_singles: [__m512 16 _mm512_set1_ps _mm512_add_ps _mm512_fmadd_ps] [__m256 8 _mm256_set1_ps _mm256_add_ps _mm256_fmadd_ps] [4]);
vectors!(f64 turn_any: [__m512d 8 _mm512_set1_pd _mm512_add_pd _mm512_fmadd_pd] [__m256d 4 _mm256_set1_pd _mm256_add_pd _mm256_fmadd_pd] [2]);

/// [`Vectors::turn`] by the instructions that all x86-64 processors have: compilers come up with longer ways.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn turn_singles(from: *const f32, apart: usize, to: *mut f32, step: usize) {
    use x86::{_mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_storeu_ps, _mm_unpackhi_ps, _mm_unpacklo_ps};
    // SAFETY: as the caller says.
    unsafe {
        let row = |i: usize| _mm_loadu_ps(from.wrapping_add(i * apart));
        let (a, b, c, d) = (row(0), row(1), row(2), row(3));
        let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
        _mm_storeu_ps(to, _mm_movelh_ps(ab, cd));
        _mm_storeu_ps(to.wrapping_add(step), _mm_movehl_ps(cd, ab));
        let (ab, cd) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
        _mm_storeu_ps(to.wrapping_add(2 * step), _mm_movelh_ps(ab, cd));
        _mm_storeu_ps(to.wrapping_add(3 * step), _mm_movehl_ps(cd, ab));
    }
}

#[cfg(not(target_arch = "x86_64"))]
use turn_any as turn_singles;

/// [`Vectors::turn`] anywhere.
#[inline(always)]
unsafe fn turn_any<T: Copy>(from: *const T, apart: usize, to: *mut T, step: usize) {
    for j in 0..4 {
        for i in 0..4 {
            // SAFETY: as the caller says.
            unsafe { *to.wrapping_add(j * step + i) = *from.wrapping_add(i * apart + j) };
        }
    }
}
