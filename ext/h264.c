#include "h264.h"

#include "h264_skips.h"

enum { NON_IDR = 1, IDR = 5, SPS = 7, PPS = 8, MAX_SLICES = 256, MAX_REFERENCES = 32 };

typedef struct {
    size_t begin, end;
} span; /* bits */

typedef struct {
    const uint8_t *data; /* RBSP */
    size_t size;
    uint8_t nal;
    uint32_t first_mb;
    int kind;
    span identity, poc, middle, marking, offsets;
    uint32_t deblocking;
    size_t end; /* bits of the header */
    int64_t qp;
    uint32_t cabac_init;
} slice;

typedef struct {
    const mtf_h264_syntax *syntax;
    const mtf_h264_layout *layout;
    mtf_bit_writer *out;
    uint32_t idr_pic_id;
    const char *error;
} composer;

static int is_idr(const slice *each)
{
    return (each->nal & 31) == IDR;
}

static void skip_weights(mtf_bit_reader *in, uint32_t count)
{
    mtf_read_ue(in);
    mtf_read_ue(in);
    for (uint32_t i = 0; i < count && !in->error; i++) {
        if (mtf_read_u(in, 1))
            mtf_read_ue(in), mtf_read_ue(in);
        if (mtf_read_u(in, 1))
            for (int j = 0; j < 4; j++)
                mtf_read_ue(in);
    }
}

static void skip_references(mtf_bit_reader *in, int kind, const mtf_h264_syntax *syntax)
{
    uint32_t lists = kind == MTF_I ? 0 : kind == MTF_B ? 2 : 1, sum = 0;
    if (!lists)
        return;
    if (kind == MTF_B)
        mtf_read_u(in, 1);
    uint32_t overridden = mtf_read_u(in, 1);
    for (uint32_t i = 0; i < lists && !in->error; i++) {
        uint64_t count = overridden ? (uint64_t)mtf_read_ue(in) + 1 : syntax->references[i];
        if (count > MAX_REFERENCES)
            in->error = "too many references";
        sum += (uint32_t)count;
    }
    for (uint32_t i = 0; i < lists && !in->error; i++)
        if (mtf_read_u(in, 1))
            while (mtf_read_ue(in) != 3 && !in->error)
                mtf_read_ue(in);
    if ((kind == MTF_P && syntax->weighted_p) || (kind == MTF_B && syntax->weighted_b == 1))
        skip_weights(in, sum);
}

static void skip_marking(mtf_bit_reader *in, int of_idr)
{
    if (of_idr) {
        mtf_read_u(in, 2);
        return;
    }
    if (!mtf_read_u(in, 1))
        return;
    for (uint32_t operation; (operation = mtf_read_ue(in)) && !in->error;) {
        if (operation == 5)
            in->error = "a memory reset";
        if (operation == 1 || operation == 3)
            mtf_read_ue(in);
        if (operation == 2 || operation == 3 || operation == 4 || operation == 6)
            mtf_read_ue(in);
    }
}

/* Take the header of a NAL unit apart; its RBSP goes to `rbsp`, which has the unit's size. */
static const char *parse(const uint8_t *unit, size_t size, uint8_t *rbsp,
                         const mtf_h264_syntax *syntax, slice *each)
{
    size_t length = 0, zeros = 0;
    if (!size)
        return "an empty NAL unit";
    for (size_t i = 1; i < size; i++) {
        if (zeros >= 2 && unit[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = unit[i] ? 0 : zeros + 1;
        rbsp[length++] = unit[i];
    }
    mtf_bit_reader in = {rbsp, length, 0, NULL};
    each->data = rbsp;
    each->size = length;
    each->nal = unit[0];
    each->first_mb = mtf_read_ue(&in);
    each->kind = (int)(mtf_read_ue(&in) % 5);
    if (!in.error && each->kind > MTF_I)
        in.error = "a switching slice";
    each->identity.begin = in.place;
    if (mtf_read_ue(&in) != syntax->pps_id && !in.error)
        in.error = "another PPS";
    mtf_read_u(&in, syntax->frame_num_bits);
    each->identity.end = in.place;
    if (is_idr(each))
        mtf_read_ue(&in);
    each->poc.begin = in.place;
    mtf_read_u(&in, syntax->poc_lsb_bits);
    if (syntax->poc_present && syntax->poc_lsb_bits)
        mtf_read_se(&in);
    each->poc.end = each->middle.begin = in.place;
    skip_references(&in, each->kind, syntax);
    each->marking.begin = in.place;
    if (each->nal >> 5 & 3)
        skip_marking(&in, is_idr(each));
    each->marking.end = in.place;
    each->cabac_init = syntax->cabac && each->kind != MTF_I ? mtf_read_ue(&in) : 0;
    if (!in.error && each->cabac_init > 2)
        in.error = "no such table of contexts";
    each->qp = syntax->initial_qp + mtf_read_se(&in);
    each->middle.end = in.place;
    each->deblocking = mtf_read_ue(&in);
    each->offsets.begin = in.place;
    if (each->deblocking != 1)
        mtf_read_se(&in), mtf_read_se(&in);
    each->offsets.end = each->end = in.place;
    return in.error;
}

static void start_unit(mtf_bit_writer *out, uint8_t nal)
{
    for (int i = 0; i < 4; i++)
        mtf_push(out, i == 3);
    mtf_push(out, nal);
    out->zeros = nal ? 0 : 1;
}

static void copy(mtf_bit_writer *out, const slice *each, span bits)
{
    mtf_put_copy(out, each->data, bits.begin, bits.end);
}

/* A slice `offset` macroblocks further on, as one of the picture of `like`. */
static void move(composer *job, const slice *each, const slice *like, uint32_t offset)
{
    mtf_bit_writer *out = job->out;
    size_t size = each->size;
    while (size && !each->data[size - 1])
        size--;
    size_t stop = size ? size * 8 : 0;
    while (stop && !(each->data[(stop - 1) >> 3] >> (7 - (stop - 1) % 8) & 1))
        stop--;
    if (!job->syntax->cabac && stop <= each->end) {
        job->error = "a slice without data";
        return;
    }
    start_unit(out, like->nal);
    mtf_put_ue(out, each->first_mb + offset);
    mtf_put_ue(out, (uint32_t)each->kind);
    copy(out, like, like->identity);
    if (is_idr(like))
        mtf_put_ue(out, job->idr_pic_id);
    copy(out, like, like->poc);
    copy(out, each, each->middle);
    mtf_put_ue(out, !each->first_mb && !each->deblocking ? 2 : each->deblocking);
    copy(out, each, each->offsets);
    if (job->syntax->cabac) {
        mtf_put_fill(out, 1);
        for (size_t i = (each->end + 7) >> 3; i < each->size; i++)
            mtf_put_byte(out, each->data[i]);
    } else {
        mtf_put_copy(out, each->data, each->end, stop);
        mtf_put_fill(out, 0);
    }
}

/* A slice in which macroblocks repeat what the reference pictures have there. */
static void put_skipped(composer *job, const slice *like, uint32_t row, uint32_t rows)
{
    const mtf_h264_syntax *syntax = job->syntax;
    mtf_bit_writer *out = job->out;
    int kind = like->kind == MTF_B ? MTF_B : MTF_P;
    if (!rows)
        return;
    if (kind == MTF_B && syntax->weighted_b == 1) {
        job->error = "explicit weights in B slices";
        return;
    }
    start_unit(out, like->nal);
    mtf_put_ue(out, row * job->layout->width);
    mtf_put_ue(out, (uint32_t)kind);
    copy(out, like, like->identity);
    copy(out, like, like->poc);
    if (kind == MTF_B)
        mtf_put_u(out, 1, 1); /* spatial direct mode */
    mtf_put_u(out, 1, 1);     /* one reference */
    for (int i = 0; i <= (kind == MTF_B); i++)
        mtf_put_ue(out, 0);
    mtf_put_u(out, 0, kind == MTF_B ? 2 : 1); /* in the initial order */
    if (kind == MTF_P && syntax->weighted_p) {
        mtf_put_ue(out, 0);
        mtf_put_ue(out, 0);
        mtf_put_u(out, 0, 2); /* no weights */
    }
    copy(out, like, like->marking);
    if (syntax->cabac)
        mtf_put_ue(out, 0); /* cabac_init_idc */
    mtf_put_ue(out, 0);     /* slice_qp_delta */
    mtf_put_ue(out, 1);     /* no deblocking */
    if (syntax->cabac) {
        mtf_put_fill(out, 1);
        mtf_h264_put_skips(out, rows * job->layout->width, syntax->initial_qp, 0, kind);
    } else {
        mtf_put_ue(out, rows * job->layout->width);
        mtf_put_u(out, 1, 1);
        mtf_put_fill(out, 0);
    }
}

static uint32_t skips(composer *job, const slice *each, uint32_t limit)
{
    mtf_bit_reader in = {each->data, each->size, each->end, NULL};
    uint32_t count = 0;
    if (each->kind == MTF_I)
        return 0;
    if (job->syntax->cabac) {
        in.place = (each->end + 7) & ~(size_t)7;
        count = mtf_h264_leading_skips(&in, limit, each->qp, each->cabac_init, each->kind);
    } else {
        count = mtf_read_ue(&in);
    }
    if (in.error)
        job->error = in.error;
    return count < limit ? count : limit;
}

static int is_proven(composer *job, const slice *band, size_t count)
{
    const mtf_h264_layout *layout = job->layout;
    uint32_t guard = layout->guard_rows * layout->width;
    const slice *last = band + count - 1;
    if (!guard)
        return 1;
    if (layout->first_row && skips(job, band, guard) < guard)
        return 0;
    return layout->first_row + layout->rows == layout->total_rows ||
           (last->first_mb == (layout->rows - layout->guard_rows) * layout->width &&
            skips(job, last, guard) >= guard);
}

static int same_bits(const slice *a, span in_a, const slice *b, span in_b)
{
    size_t count = in_a.end - in_a.begin;
    mtf_bit_reader one = {a->data, a->size, in_a.begin, NULL};
    mtf_bit_reader other = {b->data, b->size, in_b.begin, NULL};
    if (count != in_b.end - in_b.begin)
        return 0;
    for (; count; count--)
        if (mtf_read_u(&one, 1) != mtf_read_u(&other, 1))
            return 0;
    return 1;
}

static const char *check_band(const slice *band, size_t count, const mtf_h264_layout *layout)
{
    if (!count || band[0].first_mb)
        return "the band's first slice is missing";
    for (size_t i = 1; i < count; i++) {
        const slice *earlier = band + i - 1, *later = band + i;
        if (later->first_mb <= earlier->first_mb)
            return "slices are not in order";
        if (later->nal != earlier->nal ||
            !same_bits(later, later->identity, earlier, earlier->identity) ||
            !same_bits(later, later->poc, earlier, earlier->poc))
            return "slices of several pictures";
    }
    if (band[count - 1].first_mb >= layout->rows * layout->width)
        return "a slice begins behind the band";
    return NULL;
}

/* The slices of the rows from `first` up to `stop`. */
static void put_still(composer *job, const mtf_h264_still *still, size_t count, uint8_t *rbsp,
                      const slice *like, uint32_t first, uint32_t stop)
{
    uint32_t width = job->layout->width;
    for (size_t i = 0; i < count && !job->error; i++) {
        slice each;
        if (still[i].row < first || still[i].row >= stop)
            continue;
        job->error = parse(still[i].unit, still[i].size, rbsp, job->syntax, &each);
        if (!job->error && !is_idr(&each))
            job->error = "no IDR slice";
        if (!job->error && each.first_mb >= (stop - still[i].row) * width)
            job->error = "a slice begins behind its rows";
        if (!job->error)
            move(job, &each, like, still[i].row * width);
    }
}

/* The next NAL unit at or behind `at`, without trailing zeros; its size, 0 at the end. */
static size_t next_unit(const uint8_t *data, size_t size, size_t *at, size_t *begin)
{
    while (*at + 3 <= size) {
        if (data[*at] || data[*at + 1] || data[*at + 2] != 1) {
            ++*at;
            continue;
        }
        size_t end = *begin = *at + 3;
        while (end + 3 <= size && (data[end] || data[end + 1] || data[end + 2] != 1))
            end++;
        *at = end + 3 <= size ? end : size;
        for (end = *at; end > *begin && !data[end - 1];)
            end--;
        if (end > *begin)
            return end - *begin;
    }
    return 0;
}

static const char *parse_band(composer *job, const uint8_t *packet, size_t size, uint8_t *rbsp,
                              slice *band, size_t *count)
{
    size_t at = 0, begin = 0, length;
    while ((length = next_unit(packet, size, &at, &begin))) {
        int type = packet[begin] & 31;
        if (type != NON_IDR && type != IDR)
            continue;
        if (*count == MAX_SLICES)
            return "too many slices";
        const char *error =
            parse(packet + begin, length, rbsp + begin, job->syntax, band + *count);
        if (error)
            return error;
        ++*count;
    }
    return NULL;
}

static void put_others(mtf_bit_writer *out, const uint8_t *packet, size_t size)
{
    size_t at = 0, begin = 0, length;
    while ((length = next_unit(packet, size, &at, &begin))) {
        int type = packet[begin] & 31;
        if (type == NON_IDR || type == IDR || type == SPS || type == PPS)
            continue;
        start_unit(out, packet[begin]);
        for (size_t i = 1; i < length; i++)
            mtf_push(out, packet[begin + i]);
    }
}

static void put_picture(composer *job, const slice *band, size_t count, const mtf_h264_still *still,
                        size_t still_count, uint8_t *rbsp)
{
    const mtf_h264_layout *layout = job->layout;
    uint32_t end = layout->first_row + layout->rows;
    if (is_idr(band))
        put_still(job, still, still_count, rbsp, band, 0, layout->first_row);
    else
        put_skipped(job, band, 0, layout->first_row);
    for (size_t i = 0; i < count && !job->error; i++)
        move(job, band + i, band + i, layout->first_row * layout->width);
    if (job->error)
        return;
    if (is_idr(band))
        put_still(job, still, still_count, rbsp, band, end, layout->total_rows);
    else
        put_skipped(job, band, end, layout->total_rows - end);
}

const char *mtf_h264_compose(const uint8_t *packet, size_t size, const mtf_h264_syntax *syntax,
                             const mtf_h264_layout *layout, const mtf_h264_still *still,
                             size_t still_count, uint32_t idr_pic_id, mtf_h264_picture *picture)
{
    mtf_bit_writer out = {0};
    composer job = {syntax, layout, &out, idr_pic_id, NULL};
    size_t longest = 0, count = 0;
    for (size_t i = 0; i < still_count; i++)
        longest = still[i].size > longest ? still[i].size : longest;
    uint8_t *rbsp = malloc(size + longest + 1);
    slice *band = malloc(MAX_SLICES * sizeof(slice));
    if (rbsp && band) {
        job.error = parse_band(&job, packet, size, rbsp, band, &count);
        if (!job.error)
            job.error = check_band(band, count, layout);
        if (!job.error) {
            put_others(&out, packet, size);
            put_picture(&job, band, count, still, still_count, rbsp + size);
            picture->is_idr = is_idr(band);
            picture->is_proven = !job.error && (is_idr(band) || is_proven(&job, band, count));
        }
    } else {
        job.error = "";
    }
    free(rbsp);
    free(band);
    picture->data = out.data;
    picture->size = out.size;
    picture->capacity = out.capacity;
    return out.failed ? "" : job.error;
}
